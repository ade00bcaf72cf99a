"""HPACK without its dynamic table, by the examples of RFC 7541 and by any bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spire_bridge.transport.unary import fields, huffman
from spire_bridge.transport.unary.errors import NotUnderstood

# RFC 7541, appendices C.4 and C.6.
EXAMPLES = {
    "f1e3c2e5f23a6ba0ab90f4ff": b"www.example.com",
    "a8eb10649cbf": b"no-cache",
    "25a849e95ba97d7f": b"custom-key",
    "25a849e95bb8e8b4bf": b"custom-value",
    "6402": b"302",
    "aec3771a4b": b"private",
    "d07abe941054d444a8200595040b8166e082a62d1bff": b"Mon, 21 Oct 2013 20:13:21 GMT",
    "9d29ad171863c78f0b97c8e9ae82ae43d3": b"https://www.example.com",
    "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007": (
        b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
    ),
}


def huffman_coded(text: bytes) -> bytes:
    """By the table under test: what is coded, is decoded to the same."""
    codes = {octet: code for code, octet in huffman._OCTETS.items()}
    bits = "".join(f"{codes[octet]:b}"[1:] for octet in text)
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


@pytest.mark.parametrize(("coded", "text"), EXAMPLES.items())
def test_the_examples_of_the_rfc(coded: str, text: bytes) -> None:
    assert huffman.decode(bytes.fromhex(coded)) == text


def test_the_code_is_complete() -> None:
    """Kraft's sum is one with the end of string, and no code begins another."""
    codes = sorted(f"{code:b}"[1:] for code in [*huffman._OCTETS, (1 << 31) - 1])
    assert sum(2.0 ** -len(code) for code in codes) == 1.0
    assert not any(b.startswith(a) for a, b in pairwise(codes))
    assert sorted(huffman._OCTETS.values()) == list(range(256))


@given(st.binary(max_size=100))
def test_every_octet_has_a_code(text: bytes) -> None:
    assert huffman.decode(huffman_coded(text)) == text


@pytest.mark.parametrize("coded", ["ff", "ffffffff", "18", "00", "f1e3c2e5f23a6ba0ab90f4ffff"])
def test_padding_of_the_wrong_bits_or_length(coded: str) -> None:
    with pytest.raises(NotUnderstood):
        huffman.decode(bytes.fromhex(coded))


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.binary(max_size=300))))
def test_what_is_encoded_is_decoded(told: list[fields.Field]) -> None:
    assert list(fields.decode(fields.encode(told))) == told


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("88", [(b":status", b"200")]),
        ("8d", [(b":status", b"404")]),
        ("4803333032", [(b":status", b"302")]),  # C.6.1, without Huffman
        ("48826402", [(b":status", b"302")]),
        ("0f0d0130", [(b"", b"0")]),  # by the name of static entry 28
        (
            "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
            [(b"custom-key", b"custom-header")],
        ),
        ("100870617373776f726406736563726574", [(b"password", b"secret")]),
        ("2088", [(b":status", b"200")]),  # the table is made empty first
    ],
)
def test_forms_of_a_field(block: str, told: list[fields.Field]) -> None:
    assert list(fields.decode(bytes.fromhex(block))) == told


@pytest.mark.parametrize(
    "block",
    ["80", "be", "7e0130", "3f e1 1f", "ff ffffffffff", "ff", "00", "0005 61", "00 01 61", "0f"],
)
def test_blocks_that_are_left_to_others(block: str) -> None:
    """Index 0, the dynamic table, a table with room, what is cut short, endless integers."""
    with pytest.raises(NotUnderstood):
        list(fields.decode(bytes.fromhex(block)))


@given(st.binary(max_size=200))
@example(b"\x40\x85\xff\xff\xff\xff\xff")
def test_any_bytes_are_fields_or_left_to_others(block: bytes) -> None:
    try:
        told = list(fields.decode(block))
    except NotUnderstood:
        return
    assert all(isinstance(part, bytes) for field in told for part in field)
