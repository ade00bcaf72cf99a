"""As much of protobuf's wire format as messages of strings and messages take."""

from __future__ import annotations

from collections.abc import Iterator

from spire_bridge.transport.unary.errors import NotUnderstood

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_MAX_NUMBER = (1 << 29) - 1
_MAX_VARINT_BYTES = 10
_MAX_SHORT_BYTES = 5  # of tags and lengths, which have 32 bits


def encode(number: int, text: str) -> bytes:
    """A string field; the empty string is the default, which is not sent."""
    data = text.encode()
    tag = _varint(number << 3 | _LENGTH_DELIMITED)
    return tag + _varint(len(data)) + data if data else b""


def decode(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbers and contents of the fields that are strings or messages; others are skipped.

    Raises `NotUnderstood` for what is no message, and for the deprecated groups.
    """
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at, _MAX_SHORT_BYTES)
        number, kind = tag >> 3, tag & 7
        if not 0 < number <= _MAX_NUMBER:
            raise NotUnderstood("field number")
        if kind == _VARINT:
            _, at = _read_varint(message, at, _MAX_VARINT_BYTES)
            continue
        if kind == _LENGTH_DELIMITED:
            length, at = _read_varint(message, at, _MAX_SHORT_BYTES)
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise NotUnderstood("wire type")
        content, at = message[at : at + length], at + length
        if at > len(message):
            raise NotUnderstood("a field that is cut short")
        if kind == _LENGTH_DELIMITED:
            yield number, content


def text(content: bytes) -> str:
    """A string field's text. Raises `NotUnderstood` if it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise NotUnderstood("text") from None


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(message: bytes, at: int, max_bytes: int) -> tuple[int, int]:
    """A varint and where it ends."""
    value = 0
    for count, byte in enumerate(message[at : at + max_bytes]):
        value |= (byte & 0x7F) << 7 * count
        if not byte & 0x80:
            return value, at + count + 1
    raise NotUnderstood("varint")
