"""Credentials of the shape that AWS gives, drawn by chance: nothing accepts them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

_ID_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """`expiration` is in RFC 3339."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: str

    @classmethod
    def until(cls, expires_at: float) -> Self:
        """New ones, which say that they expire then, in seconds since the epoch."""
        moment = datetime.fromtimestamp(int(expires_at), UTC).replace(tzinfo=None)
        return cls(
            f"ASIA{_identifier(secrets.token_bytes(20))}",
            secrets.token_urlsafe(30),
            secrets.token_urlsafe(120),
            f"{moment.isoformat()}Z",
        )


def assumed_role_id(role_arn: str, session_name: str) -> str:
    """The role's unique ID, which is always the same, and the session's name."""
    return f"AROA{_identifier(hashlib.sha256(role_arn.encode()).digest())}:{session_name}"


def _identifier(data: bytes) -> str:
    return base64.b32encode(data).decode()[:_ID_CHARACTERS]
