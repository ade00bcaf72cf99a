"""Reading a JWS in compact serialization (RFC 7515 section 3.1) without trusting it."""

from __future__ import annotations

import binascii

from spire_bridge.jose.errors import InvalidJson, InvalidToken
from spire_bridge.jose.strict_json import parse_object
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_TOKEN_BYTES = 16 * 1024

_TO_STANDARD = str.maketrans("-_", "+/")
_TO_URL_SAFE = str.maketrans("+/", "-_")


class CompactJws(Value):
    """A token taken apart. Nothing in it is proven."""

    _hidden = ("token", "claims")

    token: str
    header: dict[str, Any]
    claims: dict[str, Any]


def parse_compact(token: str) -> CompactJws:
    """Splits and decodes a token of at most 16 KiB.

    The base64url must be canonical, so that one token has one spelling. Raises
    `InvalidToken`.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidToken(f"token is larger than {MAX_TOKEN_BYTES} bytes")
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidToken(
            "token is not a JWS in compact serialization",
            hint="a JWT-SVID has three parts separated by dots",
        )
    try:
        header, payload, _ = (base64url_decode(part) for part in parts)
        return CompactJws(
            token=token,
            header=parse_object(header, what="token header", max_bytes=MAX_TOKEN_BYTES),
            claims=parse_object(payload, what="token payload", max_bytes=MAX_TOKEN_BYTES),
        )
    except InvalidJson as error:
        raise InvalidToken(error.message) from None
    except ValueError:
        raise InvalidToken("token is not base64url") from None


def base64url_decode(text: str) -> bytes:
    """Decodes unpadded base64url (RFC 7515 section 2), refusing every non-canonical spelling.

    Raises `ValueError`.
    """
    try:
        data = binascii.a2b_base64(text.translate(_TO_STANDARD) + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if base64url_encode(data) != text:  # the decoder skips what it does not know
        raise ValueError("not canonical base64url")
    return data


def base64url_encode(data: bytes) -> str:
    """Encodes as unpadded base64url (RFC 7515 section 2)."""
    standard = binascii.b2a_base64(data, newline=False).decode("ascii")
    return standard.rstrip("=").translate(_TO_URL_SAFE)
