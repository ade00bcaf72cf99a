"""Temporary credentials, and the text in which `credential_process` prints them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from spire_bridge.credentials.aws.errors import UnexpectedAnswer

_MAX_CHARACTERS = 16_384
# No white space: each of these may end up on a line of a file.
_VALUE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """A session's key, its secret and its token; `expires_at` is in seconds since the epoch."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: int

    @classmethod
    def read(
        cls, access_key_id: object, secret_access_key: object, session_token: object, end: object
    ) -> Self:
        """From the members of an answer; `end` is in ISO 8601. Raises `UnexpectedAnswer`."""
        return cls(
            _value(access_key_id, "access key ID"),
            _value(secret_access_key, "secret access key"),
            _value(session_token, "session token"),
            _moment(end),
        )

    @property
    def expiration(self) -> str:
        """The end in ISO 8601, as AWS writes it: `2026-11-30T12:00:00Z`."""
        return f"{datetime.fromtimestamp(self.expires_at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def credential_process_json(credentials: TemporaryCredentials) -> str:
    """What a program named by `credential_process` prints (SDKs Reference Guide, version 1)."""
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": credentials.expiration,
        },
        indent=2,
    )


def _value(value: object, what: str) -> str:
    if not isinstance(value, str) or not _VALUE.fullmatch(value) or len(value) > _MAX_CHARACTERS:
        raise UnexpectedAnswer(f"AWS answered without a usable {what}")
    return value


def _moment(value: object) -> int:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None and moment.year < 9999:
            return int(moment.timestamp())
    except (ValueError, OverflowError):
        pass
    raise UnexpectedAnswer("AWS answered without a usable expiration")
