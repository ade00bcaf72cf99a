"""Compact serialization: one token, one spelling."""

from __future__ import annotations

import contextlib
import string

import pytest
from forgery.tokens import b64, compact
from hypothesis import example, given
from hypothesis import strategies as st

from spire_bridge.jose.compact import (
    MAX_TOKEN_BYTES,
    base64url_decode,
    base64url_encode,
    parse_compact,
)
from spire_bridge.jose.errors import InvalidToken

ALPHABET = string.ascii_letters + string.digits + "-_"
HEADER, CLAIMS = {"alg": "ES256"}, {"sub": "a"}
GOOD = compact(HEADER, CLAIMS, b"signature")
HEAD, BODY, TAIL = GOOD.split(".")

# RFC 7515 appendix A: header, payload, signature.
CLAIMS_OF_A1 = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
A1 = ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
A5 = ("eyJhbGciOiJub25lIn0", "")


@pytest.mark.parametrize(
    ("header", "signature", "expected"),
    [(*A1, {"typ": "JWT", "alg": "HS256"}), (*A5, {"alg": "none"})],
)
def test_the_examples_of_rfc_7515_are_taken_apart(
    header: str, signature: str, expected: dict[str, str]
) -> None:
    jws = parse_compact(f"{header}.{CLAIMS_OF_A1}.{signature}")
    assert jws.header == expected
    assert jws.claims == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}


def test_rfc_7515_appendix_c_is_the_encoding() -> None:
    octets = bytes([3, 236, 255, 224, 193])
    assert base64url_encode(octets) == "A-z_4ME"
    assert base64url_decode("A-z_4ME") == octets


REFUSED = {
    "empty": "",
    "two dots": "..",
    "one part": HEAD,
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{GOOD}.{TAIL}",
    "JWE, five parts": f"{HEAD}.{BODY}.{TAIL}.{BODY}.{TAIL}",
    "JSON serialization": f'{{"payload":"{BODY}","protected":"{HEAD}","signature":"{TAIL}"}}',
    "leading space": f" {GOOD}",
    "trailing newline": f"{GOOD}\n",
    "newline inside": f"{HEAD}\n.{BODY}.{TAIL}",
    "Bearer": f"Bearer {GOOD}",
    "padding": f"{HEAD}.{BODY}==.{TAIL}",
    "padding on the signature": f"{GOOD}=",
    "standard alphabet": f"{HEAD}.{BODY}.ab+/",
    "junk that decoders skip": f"{HEAD}.{BODY}.{TAIL[:2]}!{TAIL[2:]}",
    "percent encoding": f"{HEAD}%2E{BODY}.{TAIL}",
    "homoglyph": f"{HEAD}.{BODY}.\uff41{TAIL[1:]}",
    "Kelvin sign": f"{HEAD}.{BODY}.\u212a{TAIL[1:]}",
    "lone surrogate": f"{HEAD}.{BODY}.\ud800",
    "NUL": f"{HEAD}.{BODY}.{TAIL}\0",
    "impossible length": f"{HEAD}.{BODY}.abcde",
    "bits beyond the last octet": f"{HEAD}.{BODY}.QR",
    "header no JSON": compact(b"alg", CLAIMS, b""),
    "header an array": compact(b'["alg"]', CLAIMS, b""),
    "header empty": f".{BODY}.{TAIL}",
    "payload empty": f"{HEAD}..{TAIL}",
    "payload a string": compact(HEADER, b'"sub"', b""),
    "payload not UTF-8": compact(HEADER, b'{"sub":"\xff"}', b""),
    "names twice": compact(b'{"alg":"none","alg":"ES256"}', CLAIMS, b""),
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        parse_compact(token)
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)


def test_a_token_of_16_kib_is_read_and_a_larger_one_is_not() -> None:
    room = MAX_TOKEN_BYTES - len(f"{HEAD}..{TAIL}")
    filler = b'{"a":"' + b"x" * (room * 3 // 4 - 8) + b'"}'
    token = compact(HEADER, filler, b"signature")
    assert MAX_TOKEN_BYTES - 4 <= len(token) <= MAX_TOKEN_BYTES
    assert parse_compact(token)
    with pytest.raises(InvalidToken, match="larger than 16384 bytes"):
        parse_compact(token + "AAAAA")


def test_a_token_is_not_in_its_representation() -> None:
    shown = repr(parse_compact(compact(HEADER, {"email": "someone@example.org"}, b"signature")))
    assert TAIL not in shown
    assert "someone" not in shown


@given(st.binary())
def test_base64url_round_trips(data: bytes) -> None:
    text = base64url_encode(data)
    assert text == b64(data)
    assert base64url_decode(text) == data


@given(st.text(alphabet=ALPHABET, max_size=12) | st.text(max_size=12))
@example("A")
@example("AB")
@example("AA\n")
@example("AA==")
def test_each_text_decodes_to_what_encodes_to_it_or_not_at_all(text: str) -> None:
    try:
        data = base64url_decode(text)
    except ValueError:
        return
    assert base64url_encode(data) == text


@given(st.text() | st.text(alphabet=ALPHABET + ".", max_size=40))
def test_no_text_raises_anything_else(text: str) -> None:
    with contextlib.suppress(InvalidToken):
        parse_compact(text)


@given(st.binary(), st.binary(), st.binary(max_size=8))
def test_no_parts_raise_anything_else(header: bytes, claims: bytes, signature: bytes) -> None:
    with contextlib.suppress(InvalidToken):
        parse_compact(compact(header, claims, signature))
