"""OAuth access tokens, as token endpoints answer with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.strict_json import is_integer, parse_object
from spire_bridge.transport.outgoing import HttpAnswer

_MAX_SECONDS = 2 * 86_400  # Entra's longest is 28 hours
_MAX_CHARACTERS = 32 * 1024
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and its end, in seconds since the epoch."""

    value: str = field(repr=False)
    expires_at: int

    @classmethod
    def of(cls, value: object, expires_in: object, *, now: float) -> Self | None:
        """None for what no header can carry, and for a life that no token has."""
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_CHARACTERS:
            return None
        if not value.isascii() or not value.isprintable() or " " in value:
            return None
        if not is_integer(expires_in) or not 0 < expires_in <= _MAX_SECONDS:
            return None
        return cls(value, int(now) + expires_in)


def answered_object(answer: HttpAnswer) -> Mapping[str, Any]:
    """The JSON object in an answer; empty for anything else."""
    try:
        return parse_object(answer.body, what="the answer", max_bytes=_MAX_BYTES)
    except InvalidJson:
        return {}
