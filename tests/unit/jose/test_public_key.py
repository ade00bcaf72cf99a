"""JWKs of public keys: import, canonical form, thumbprint."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from forgery.tokens import b64, ec_key, jwk, rsa_key
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.jose.errors import InvalidKey
from spire_bridge.jose.public_key import MAX_RSA_BITS, RSA_ALGORITHMS, PublicKey

# RFC 7638 section 3.1 and, with other members, RFC 7517 appendix A.1.
RFC_7638_N = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
    "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
    "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
    "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
)
RFC_7517_RSA = {"kty": "RSA", "n": RFC_7638_N, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
RFC_7517_EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "use": "enc",
    "kid": "1",
}
# RFC 7520 section 3.1.
RFC_7520_EC = {
    "kty": "EC",
    "kid": "bilbo.baggins@hobbiton.example",
    "use": "sig",
    "crv": "P-521",
    "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
    "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
}


@pytest.mark.parametrize(
    ("published", "algorithms"),
    [
        (RFC_7517_RSA, RSA_ALGORITHMS),
        (RFC_7517_EC, ("ES256",)),
        (RFC_7520_EC, ("ES512",)),
        (jwk(ec_key(1, "P-384")), ("ES384",)),
    ],
)
def test_published_keys_are_imported(
    published: dict[str, str], algorithms: tuple[str, ...]
) -> None:
    key = PublicKey.from_jwk(published)
    own = {"kty", "n", "e", "crv", "x", "y"} & published.keys()
    assert key.to_jwk() == {name: published[name] for name in own}
    assert key.algorithms == algorithms
    assert key.algorithm == algorithms[0]


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    assert (
        PublicKey.from_jwk(RFC_7517_RSA).thumbprint()
        == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )


@pytest.mark.parametrize("key", [rsa_key(), ec_key(), ec_key(1, "P-384"), ec_key(1, "P-521")])
def test_a_key_of_cryptography_is_the_same_as_its_jwk(key: Any) -> None:
    taken = PublicKey.from_cryptography(key.public_key())
    assert taken == PublicKey.from_jwk(jwk(key, kid="any", use="any"))
    assert taken.thumbprint() == PublicKey.from_jwk(taken.to_jwk()).thumbprint()


def test_leading_zeros_do_not_make_another_key() -> None:
    padded = {"kty": "RSA", "n": RFC_7638_N, "e": b64(b"\0\1\0\1")}
    assert PublicKey.from_jwk(padded) == PublicKey.from_jwk(RFC_7517_RSA)


def rsa(n: int | str = RFC_7638_N, e: int | str = "AQAB") -> dict[str, Any]:
    def text(number: int | str) -> str:
        if isinstance(number, str):
            return number
        return b64(number.to_bytes((number.bit_length() + 7) // 8))

    return {"kty": "RSA", "n": text(n), "e": text(e)}


def p256(**members: Any) -> dict[str, Any]:
    return {**RFC_7517_EC, **members}


P256_PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
X_PLUS_P = (5 + P256_PRIME).to_bytes(33)  # 33 octets: the same number modulo p

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no kty": ({"n": RFC_7638_N, "e": "AQAB"}, "unknown key type"),
    "kty in lower case": ({**RFC_7517_RSA, "kty": "rsa"}, "unknown key type"),
    "kty a list": ({**RFC_7517_RSA, "kty": ["RSA"]}, "unknown key type"),
    "kty OKP": ({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, "unknown key type"),
    "no n": ({"kty": "RSA", "e": "AQAB"}, "'n' is missing"),
    "n a number": ({**RFC_7517_RSA, "n": 5}, "'n' is missing"),
    "n padded": ({**RFC_7517_RSA, "n": RFC_7638_N + "=="}, "not base64url"),
    "n not canonical": ({**RFC_7517_RSA, "n": RFC_7638_N[:-1] + "x"}, "not base64url"),
    "n with a newline": ({**RFC_7517_RSA, "n": RFC_7638_N + "\n"}, "not base64url"),
    "n empty": (rsa(""), "of 0 bits"),
    "1024 bits": (rsa((1 << 1023) | 1), "of 1024 bits"),
    "2047 bits": (rsa((1 << 2046) | 1), "of 2047 bits"),
    "huge": (rsa((1 << MAX_RSA_BITS) | 1), "unreasonably large"),
    "e huge": (rsa(e=(1 << 32) | 1), "unreasonably large"),
    "e empty": (rsa(e=""), "not an RSA key"),
    "e = 1": (rsa(e=1), "not an RSA key"),
    "e = 2": (rsa(e=2), "not an RSA key"),
    "e even": (rsa(e=65536), "not an RSA key"),
    "n even": (rsa(1 << 2047), "not an RSA key"),
    "no crv": ({"kty": "EC", "x": "AA", "y": "AA"}, "unknown curve"),
    "crv a list": (p256(crv=["P-256"]), "unknown curve"),
    "crv unknown": (p256(crv="P-192"), "unknown curve"),
    "secp256k1": (jwk(ec_key(1, "secp256k1")), "unknown curve"),
    "crv of another size": (p256(crv="P-384"), "wrong length"),
    "no y": (p256(y=None), "'y' is missing"),
    "x short": (p256(x=b64(b"\1" * 31)), "wrong length"),
    "x long": (p256(x=b64(b"\0" + b"\1" * 32)), "wrong length"),
    "x plus the prime": (p256(x=b64(X_PLUS_P)), "wrong length"),
    "off the curve": (p256(y=RFC_7517_EC["x"]), "not on the curve"),
    "zero": (p256(x=b64(bytes(32)), y=b64(bytes(32))), "not on the curve"),
    "beyond the prime": (p256(x=b64(b"\xff" * 32)), "not on the curve"),
}


@pytest.mark.parametrize(("key", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_unusable_keys_are_refused(key: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidKey, match=reason):
        PublicKey.from_jwk(key)


@pytest.mark.parametrize(
    "key",
    [
        rsa_key("weak", 1024).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        ec_key(1, "secp256k1").public_key(),
        ec.generate_private_key(ec.BrainpoolP256R1()).public_key(),
        ec_key(),  # a private one
        None,
    ],
)
def test_keys_of_cryptography_by_the_same_rules(key: object) -> None:
    with pytest.raises(InvalidKey):
        PublicKey.from_cryptography(key)


MEMBER = (
    st.none()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(
        ["RSA", "EC", "P-256", "P-384", "AQAB", RFC_7638_N, RFC_7517_EC["x"], RFC_7517_EC["y"]]
    )
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.none())
)


@given(st.dictionaries(st.sampled_from(["kty", "n", "e", "crv", "x", "y"]), MEMBER))
def test_no_jwk_raises_anything_else(key: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidKey):
        assert PublicKey.from_jwk(key).algorithms
