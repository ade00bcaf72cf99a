"""Header fields in HPACK (RFC 7541), without its dynamic table.

The peer is told that the table has no room (SETTINGS_HEADER_TABLE_SIZE = 0), so that no field
depends on one before it. Of the static table, names and values matter here only of `:status`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spire_bridge.transport.unary import huffman
from spire_bridge.transport.unary.errors import NotUnderstood

_STATIC_ENTRIES = 61
_STATUSES = {8: b"200", 9: b"204", 10: b"206", 11: b"304", 12: b"400", 13: b"404", 14: b"500"}
_OTHER_NAME = b""  # of a static entry that nobody here asks for

_MAX_INTEGER_BYTES = 5

Field = tuple[bytes, bytes]


def encode(fields: Iterable[Field]) -> bytes:
    """Each field as a literal that is not indexed (section 6.2.2), plain."""
    block = bytearray()
    for name, value in fields:
        block += b"\x00" + _integer(len(name), 7) + name + _integer(len(value), 7) + value
    return bytes(block)


def decode(block: bytes) -> Iterator[Field]:
    """The fields of a whole block (section 6). Raises `NotUnderstood`."""
    at = 0
    while at < len(block):
        first = block[at]
        if first & 0x80:  # an indexed field
            index, at = _read_integer(block, at, 7)
            yield _static_name(index), _STATUSES.get(index, b"")
        elif first & 0xE0 == 0x20:  # a new size of the dynamic table
            size, at = _read_integer(block, at, 5)
            if size:
                raise NotUnderstood("dynamic table")
        else:  # a literal, to be indexed or not
            index, at = _read_integer(block, at, 6 if first & 0x40 else 4)
            name, at = (_static_name(index), at) if index else _read_string(block, at)
            value, at = _read_string(block, at)
            yield name, value


def _static_name(index: int) -> bytes:
    if not 0 < index <= _STATIC_ENTRIES:
        raise NotUnderstood("dynamic table")
    return b":status" if index in _STATUSES else _OTHER_NAME


def _integer(value: int, prefix_bits: int) -> bytes:
    """Section 5.1; the bits before the prefix are zero."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes((value,))
    encoded = bytearray((limit,))
    value -= limit
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_integer(block: bytes, at: int, prefix_bits: int) -> tuple[int, int]:
    """An integer and where it ends."""
    limit = (1 << prefix_bits) - 1
    value = block[at] & limit
    at += 1
    if value < limit:
        return value, at
    for shift, byte in enumerate(block[at : at + _MAX_INTEGER_BYTES]):
        value += (byte & 0x7F) << 7 * shift
        if not byte & 0x80:
            return value, at + shift + 1
    raise NotUnderstood("integer")


def _read_string(block: bytes, at: int) -> tuple[bytes, int]:
    """A string (section 5.2) and where it ends."""
    if at >= len(block):
        raise NotUnderstood("string")
    is_huffman = block[at] & 0x80
    length, at = _read_integer(block, at, 7)
    text = block[at : at + length]
    if len(text) != length:
        raise NotUnderstood("string")
    return huffman.decode(text) if is_huffman else text, at + length
