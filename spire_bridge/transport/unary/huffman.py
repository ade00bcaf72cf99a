"""HPACK's Huffman code (RFC 7541 section 5.2 and appendix B), decoding."""

from __future__ import annotations

from spire_bridge.transport.unary.errors import NotUnderstood

# The code is canonical: codes of one length are consecutive, in the order of their octets, so
# that the lengths say it all. The end-of-string symbol, 30 ones, stands in no valid string.
_OCTETS_BY_LENGTH = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
    19: bytes.fromhex("5cc3d0"),
    20: bytes.fromhex("808283a2b8c2e0e2"),
    21: bytes.fromhex("99a1a7acb0b1b3d1d8d9e3e5e6"),
    22: bytes.fromhex("8184858688929a9ca0a3a4a9aaadb2b5b9babbbdbec4c6e4e8e9"),
    23: bytes.fromhex("0187898a8b8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef"),
    24: bytes.fromhex("098e9091949fabced7e1eced"),
    25: bytes.fromhex("c7cfeaeb"),
    26: bytes.fromhex("c0c1c8c9cacdd2d5dadbeef0f2f3ff"),
    27: bytes.fromhex("cbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe"),
    28: bytes.fromhex("020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f7fdcf9"),
    30: bytes.fromhex("0a0d16"),
}
_LONGEST = 30
_MAX_PADDING_BITS = 7


def _octets_by_code() -> dict[int, int]:
    """Each code with a 1 before it, which keeps its leading zeros apart from shorter codes."""
    octets: dict[int, int] = {}
    code, length = 0, 0
    for longer, members in _OCTETS_BY_LENGTH.items():
        code <<= longer - length
        length = longer
        for octet in members:
            octets[1 << length | code] = octet
            code += 1
    return octets


_OCTETS = _octets_by_code()


def decode(data: bytes) -> bytes:
    """Raises `NotUnderstood` for what is no Huffman-coded string."""
    decoded = bytearray()
    code = 1
    for byte in data:
        for shift in range(7, -1, -1):
            code = code << 1 | byte >> shift & 1
            octet = _OCTETS.get(code)
            if octet is not None:
                decoded.append(octet)
                code = 1
            elif code.bit_length() > _LONGEST:
                raise NotUnderstood("no Huffman code")
    padding = code.bit_length() - 1
    if padding > _MAX_PADDING_BITS or code != (1 << padding + 1) - 1:
        raise NotUnderstood("Huffman padding")
    return bytes(decoded)
