"""A token as a stranger presents it to a cloud: read as far as it goes, trusted in nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from spire_bridge.jose.compact import MAX_TOKEN_BYTES, CompactJws, parse_compact
from spire_bridge.jose.errors import InvalidToken


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """Whatever was presented. `defect` says why it is no JWT; header and claims are empty then.

    `length` is in characters. Nothing of the token's text is in a message or a repr.
    """

    length: int
    jws: CompactJws | None = field(default=None, repr=False)
    defect: str = ""

    @classmethod
    def read(cls, data: bytes | str) -> Self:
        """Reads any bytes; never raises. White space around a token is no part of it."""
        text = data.decode("utf-8", errors="replace") if isinstance(data, bytes) else data
        text = text.strip()
        if len(text) > MAX_TOKEN_BYTES:
            return cls(len(text), defect=f"it is larger than {MAX_TOKEN_BYTES} bytes")
        try:
            return cls(len(text), parse_compact(text))
        except InvalidToken as error:
            return cls(len(text), defect=error.message)

    @property
    def header(self) -> Mapping[str, Any]:
        return self.jws.header if self.jws is not None else {}

    @property
    def claims(self) -> Mapping[str, Any]:
        return self.jws.claims if self.jws is not None else {}

    def text(self, claim: str) -> str | None:
        """A claim that is a string; None if it is absent or something else."""
        value = self.claims.get(claim)
        return value if isinstance(value, str) else None

    def time(self, claim: str) -> float | None:
        """A claim that is a NumericDate (RFC 7519, section 2), in seconds since the epoch."""
        value = self.claims.get(claim)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            return float(value)
        except OverflowError:  # an integer of hundreds of digits
            return None

    def audiences(self) -> tuple[str, ...]:
        """`aud`, be it a string or an array; what is no string in it is left out."""
        value = self.claims.get("aud")
        values = value if isinstance(value, list) else [value]
        return tuple(item for item in values if isinstance(item, str))

    @property
    def key_id(self) -> str | None:
        value = self.header.get("kid")
        return value if isinstance(value, str) else None

    @property
    def algorithm(self) -> str | None:
        value = self.header.get("alg")
        return value if isinstance(value, str) else None


def shown(value: object) -> str:
    """A value of a token or document as it stands in a table: short, and on one line."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if len(text) <= 200 and text.isprintable():
        return text
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return text if len(text) <= 200 else f"{text[:197]}..."
