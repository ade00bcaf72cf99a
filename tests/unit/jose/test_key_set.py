"""JWK sets: whole sets with a secret in them are refused, and the secret stays there."""

from __future__ import annotations

import json
import logging
import pickle
from typing import Any

import pytest
from forgery.tokens import ec_key, jwk, jwk_set, rsa_key
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.jose.errors import InvalidKeySet
from spire_bridge.jose.key_set import MAX_KEY_SET_BYTES, parse_key_set

SECRET = "correct-horse-battery-staple"

# RFC 7518 section 6: what is private or symmetric in a JWK; `priv` is that of AKP keys.
SECRET_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]


def test_a_set_is_read_with_its_other_members() -> None:
    key = jwk(rsa_key(), kid="a")
    assert parse_key_set(jwk_set(key, extra=[1])) == {"keys": [key], "extra": [1]}


def test_an_empty_set_is_a_set() -> None:
    assert parse_key_set(b'{"keys":[]}') == {"keys": []}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":null}',
        b'{"keys":{}}',
        b'{"keys":"RSA"}',
        b'{"keys":[null]}',
        b'{"keys":[{},[]]}',
        b'{"Keys":[]}',
        b'{"keys":[],"keys":[{}]}',
        b'{"keys":[{"kid":"a","kid":"b"}]}',
    ],
)
def test_what_is_no_key_set_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidKeySet):
        parse_key_set(data)


def test_a_set_of_more_than_4_mib_is_refused() -> None:
    with pytest.raises(InvalidKeySet, match="larger than"):
        parse_key_set(b" " * (MAX_KEY_SET_BYTES + 1))


def disclosing(key: dict[str, Any]) -> bytes:
    return jwk_set(jwk(ec_key(), kid="good"), key, jwk(rsa_key(), kid="good too"))


DISCLOSING = {
    **{name: disclosing(jwk(ec_key(2), kid="bad", **{name: SECRET})) for name in SECRET_MEMBERS},
    "symmetric": disclosing({"kty": "oct", "kid": "bad", "k": SECRET}),
    "symmetric, member misspelt": disclosing({"kty": "oct", "kid": "bad", "K": SECRET}),
    "symmetric, of unknown use": disclosing({"kty": "oct", "use": "other", "k": SECRET}),
    "OKP": disclosing({"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": SECRET}),
    "unknown type": disclosing({"kty": "new", "kid": SECRET, "d": SECRET}),
    "no type": disclosing({"d": SECRET}),
    "null beside it": disclosing({"kty": "EC", "d": None, "note": SECRET}),
    "other primes": disclosing(jwk(rsa_key(), oth=[{"r": SECRET}])),
    "not JSON": disclosing({"kty": "oct", "k": SECRET})[:-1],
    "not UTF-8": disclosing({"kty": "oct", "k": SECRET}) + b"\xff",
    "surrogate": disclosing({"kty": "oct", "k": SECRET + "\ud800"}),
    "twice": b'{"keys":[{"k":"' + SECRET.encode() + b'","k":1}]}',
}


@pytest.mark.parametrize("data", DISCLOSING.values(), ids=DISCLOSING.keys())
def test_a_disclosed_secret_goes_no_further(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(InvalidKeySet) as caught:
        parse_key_set(data)
    error: BaseException | None = caught.value
    while error is not None:
        text = f"{error!r} {error} {error.args} {vars(error)} {getattr(error, 'hint', '')}"
        assert SECRET not in text
        assert SECRET.encode() not in pickle.dumps((error.args, vars(error)))
        for name in ("doc", "object"):  # where Python's decoders keep the text
            assert not hasattr(error, name)
        error = error.__cause__ or error.__context__
    assert not caplog.records


def test_the_refusal_says_what_to_do() -> None:
    with pytest.raises(InvalidKeySet, match="refused whole") as caught:
        parse_key_set(DISCLOSING["d"])
    assert caught.value.hint is not None
    assert "revoke it" in caught.value.hint


@given(
    st.binary()
    | st.builds(
        lambda keys: json.dumps({"keys": keys}).encode(),
        st.lists(st.dictionaries(st.text(max_size=3), st.none() | st.text(max_size=3)), max_size=3),
    )
)
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        document = parse_key_set(data)
    except InvalidKeySet:
        return
    for key in document["keys"]:
        assert key.keys().isdisjoint(SECRET_MEMBERS)
