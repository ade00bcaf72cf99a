"""The table of oddities in `jwt_bundle`: a test for each row, in both shapes of a key set."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from forgery.tokens import b64, ec_key, jwk, jwk_set, rsa_key
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle, SkippedKey

SECRET = "correct-horse-battery-staple"
HERE = TrustDomain("example.org")


def read_plain(data: bytes) -> JwtBundle:
    return JwtBundle.from_jwk_set(HERE, data)


def read_document(data: bytes) -> JwtBundle:
    return Bundle.from_document(HERE, data).jwt


Read = Callable[[bytes], JwtBundle]
both_shapes = pytest.mark.parametrize(
    "read", [read_plain, read_document], ids=["plain set", "bundle document"]
)


def jwt_key(key: Any, **members: Any) -> dict[str, Any]:
    """A JWK that is a JWT key in both shapes; None takes a member away."""
    whole = jwk(key, use="jwt-svid", **members)
    return {name: value for name, value in whole.items() if value is not None}


GOOD = jwt_key(rsa_key(), kid="good")


@both_shapes
@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
def test_a_private_part_refuses_the_whole_set(read: Read, member: str) -> None:
    with pytest.raises(InvalidBundle, match=r"example\.org.*refused whole"):
        read(jwk_set(GOOD, jwt_key(ec_key(), kid="bad", **{member: SECRET})))


@both_shapes
@pytest.mark.parametrize("use", ["jwt-svid", "x509-svid", "enc", None])
def test_a_symmetric_key_refuses_the_whole_set(read: Read, use: str | None) -> None:
    with pytest.raises(InvalidBundle, match="refused whole"):
        read(jwk_set(GOOD, {"kty": "oct", "kid": "bad", "use": use, "k": SECRET}))


SECRETS = {
    "private": jwk_set(jwt_key(ec_key(), kid="a", d=SECRET)),
    "symmetric": jwk_set({"kty": "oct", "kid": SECRET, "k": SECRET}),
    "in no JSON": jwk_set({"kty": "oct", "k": SECRET})[:-1],
    "in no UTF-8": jwk_set({"kty": "oct", "k": SECRET}) + b"\xff",
    "as a key ID": jwk_set({"kty": "EC", "use": "jwt-svid", "kid": {"d": SECRET}}),
}


@both_shapes
@pytest.mark.parametrize("data", SECRETS.values(), ids=SECRETS.keys())
def test_a_refused_secret_is_nowhere(
    read: Read, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(InvalidBundle) as caught:
        read(data)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error!r} {error} {vars(error)} {error.args}"
        assert not hasattr(error, "doc")
        assert not hasattr(error, "object")
        error = error.__cause__ or error.__context__
    assert SECRET not in caught.value.diagnostic()
    assert not caplog.records


def test_a_strange_key_id_is_not_copied_either() -> None:
    bundle = read_plain(jwk_set({"kty": "new", "kid": {"d": SECRET}}, {"use": "new", "kid": 5}))
    assert [key.key_id for key in bundle.skipped] == ["(none)", "(none)"]


@both_shapes
def test_a_key_id_twice_refuses_the_whole_set(read: Read) -> None:
    with pytest.raises(InvalidBundle, match="key ID 'good' twice"):
        read(jwk_set(GOOD, jwt_key(ec_key(), kid="good")))


@both_shapes
def test_even_the_same_key_twice_refuses_the_whole_set(read: Read) -> None:
    with pytest.raises(InvalidBundle, match="twice"):
        read(jwk_set(GOOD, GOOD))


@both_shapes
def test_a_weak_key_takes_its_key_id(read: Read) -> None:
    """Which of the two would a token mean? Only a set without both can be read."""
    with pytest.raises(InvalidBundle, match="twice"):
        read(jwk_set(GOOD, jwt_key(rsa_key("weak", 1024), kid="good")))


@both_shapes
def test_a_wit_svid_key_takes_its_key_id(read: Read) -> None:
    """WIT-SVID section 6.1: no other JWK, for JWT-SVIDs or WIT-SVIDs, may have it."""
    with pytest.raises(InvalidBundle, match="twice"):
        read(jwk_set(GOOD, {**jwk(ec_key(), kid="good"), "use": "wit-svid"}))


@both_shapes
@pytest.mark.parametrize("key_id", [None, "", 1, True, ["a"], {}], ids=repr)
def test_a_jwt_key_without_key_id_refuses_the_whole_set(read: Read, key_id: object) -> None:
    with pytest.raises(InvalidBundle, match="JWT key without 'kid'"):
        read(jwk_set(GOOD, jwt_key(ec_key(), kid=key_id)))


SKIPPED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown kty": ({"kty": "new", "kid": "odd", "use": "jwt-svid"}, "unknown key type"),
    "OKP": ({"kty": "OKP", "crv": "Ed25519", "kid": "odd", "use": "jwt-svid"}, "unknown key type"),
    "no kty": ({"kid": "odd", "use": "jwt-svid"}, "unknown key type"),
    "kty a list": ({"kty": ["RSA"], "kid": "odd", "use": "jwt-svid"}, "unknown key type"),
    "kty an object": ({"kty": {}, "kid": "odd", "use": "jwt-svid"}, "unknown key type"),
    "unknown kty of WIT": ({"kty": "new", "kid": "odd", "use": "wit-svid"}, "unknown key type"),
    "unknown use": (jwk(ec_key(), kid="odd", use="new"), "unknown use"),
    "use in upper case": (jwk(ec_key(), kid="odd", use="JWT-SVID"), "unknown use"),
    "encryption": (jwk(ec_key(), kid="odd", use="enc"), "unknown use"),
    "use empty": (jwk(ec_key(), kid="odd", use=""), "unknown use"),
    "use a number": (jwk(ec_key(), kid="odd", use=1), "unknown use"),
    "use a list": (jwk(ec_key(), kid="odd", use=["jwt-svid"]), "unknown use"),
    "use an object": (jwk(ec_key(), kid="odd", use={}), "unknown use"),
    "unknown crv": (jwt_key(ec_key(1, "secp256k1"), kid="odd"), "unknown curve"),
    "1024 bits": (jwt_key(rsa_key("weak", 1024), kid="odd"), "1024 bits"),
    "off the curve": (jwt_key(ec_key(), kid="odd", y=b64(b"\1" * 32)), "not on the curve"),
    "no modulus": ({"kty": "RSA", "kid": "odd", "use": "jwt-svid", "e": "AQAB"}, "missing"),
}


@both_shapes
@pytest.mark.parametrize(("odd", "reason"), SKIPPED.values(), ids=SKIPPED.keys())
def test_an_unusable_key_is_skipped_alone(read: Read, odd: dict[str, Any], reason: str) -> None:
    bundle = read(jwk_set(odd, GOOD))
    assert list(bundle.authorities) == ["good"]
    (skipped,) = bundle.skipped
    assert skipped.key_id == "'odd'"
    assert reason in skipped.reason


def test_a_skipped_key_s_id_cannot_break_a_line_of_the_log() -> None:
    key_id = "\n\x1b[31mERROR all is lost" + "\u202e" * 10_000
    (skipped,) = read_plain(jwk_set(jwt_key(rsa_key("weak", 1024), kid=key_id))).skipped
    assert skipped.key_id.isprintable()
    assert len(skipped.key_id) <= 64


@both_shapes
def test_no_keys_are_a_revocation(read: Read) -> None:
    """Section 4.1.3 of SPIFFE Trust Domain and Bundle."""
    assert read(b'{"keys":[]}') == JwtBundle(HERE)


@both_shapes
def test_no_usable_keys_are_a_revocation_too(read: Read) -> None:
    bundle = read(jwk_set({"kty": "new", "kid": "a"}, jwt_key(rsa_key("weak", 1024), kid="b")))
    assert bundle == JwtBundle(HERE)
    assert len(bundle.skipped) == 2


@both_shapes
def test_300_keys_are_read(read: Read) -> None:
    keys = [jwt_key(ec_key(number), kid=f"key-{number}") for number in range(300)]
    bundle = read(jwk_set(*keys))
    assert len(bundle.authorities) == 300
    assert not bundle.skipped
    assert bundle.authorities["key-7"].key.to_jwk() == jwk(ec_key(7))


@both_shapes
def test_of_300_keys_one_disclosed_refuses_all(read: Read) -> None:
    keys = [jwt_key(ec_key(number), kid=f"key-{number}") for number in range(299)]
    with pytest.raises(InvalidBundle):
        read(jwk_set(*keys, jwt_key(ec_key(300), kid="key-300", d=SECRET)))


@pytest.mark.parametrize("use", [None, "sig", "jwt-svid"])
def test_a_plain_set_needs_no_use(use: str | None) -> None:
    """Real agents send neither `use` nor `alg`."""
    key = jwk(ec_key(), kid="a", **({"use": use} if use else {}))
    assert list(read_plain(jwk_set(key)).authorities) == ["a"]


@pytest.mark.parametrize("use", [None, "sig"])
def test_a_bundle_document_needs_the_use_of_its_specification(use: str | None) -> None:
    bundle = read_document(jwk_set(jwk(ec_key(), kid="a", **({"use": use} if use else {}))))
    assert bundle.authorities == {}
    assert bundle.skipped == (SkippedKey("'a'", "missing or unknown use"),)


@both_shapes
@pytest.mark.parametrize("use", ["x509-svid", "wit-svid"])
def test_keys_of_other_svids_are_no_jwt_keys(read: Read, use: str) -> None:
    assert list(read(jwk_set(GOOD, jwk(ec_key(), kid="a", use=use))).authorities) == ["good"]


@both_shapes
def test_members_without_meaning_here_are_not_taken_along(read: Read) -> None:
    key = jwt_key(ec_key(), kid="a", alg="HS256", key_ops=["sign"], x5u="https://a", note=[1])
    (authority,) = read(jwk_set(key)).authorities.values()
    assert authority.key.to_jwk() == jwk(ec_key())
    assert authority.key.algorithms == ("ES256",)


def test_a_bundle_is_built_by_the_same_rule() -> None:
    (authority,) = read_plain(jwk_set(GOOD)).authorities.values()
    with pytest.raises(InvalidBundle, match="twice"):
        JwtBundle.of(HERE, [authority, JwtAuthority("good", authority.key, expires_at=5)])


def test_what_was_skipped_is_no_part_of_the_value() -> None:
    assert read_plain(jwk_set(GOOD)) == read_plain(jwk_set(GOOD, {"kty": "new"}))


def test_a_bundle_cannot_be_changed() -> None:
    authorities: Any = read_plain(jwk_set(GOOD)).authorities
    with pytest.raises(TypeError):
        authorities["other"] = authorities["good"]


VALUE = (
    st.none()
    | st.integers()
    | st.text(max_size=3)
    | st.sampled_from(["RSA", "EC", "P-256", "jwt-svid", "wit-svid", "x509-svid", "sig", "AQAB"])
    | st.lists(st.text(max_size=2), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.none(), max_size=1)
)
KEY = st.dictionaries(
    st.sampled_from(["kty", "use", "kid", "crv", "x", "y", "n", "e", "x5c"]), VALUE
)


@given(st.lists(KEY, max_size=4), st.integers())
def test_no_key_set_raises_anything_else(keys: list[dict[str, Any]], sequence: int) -> None:
    data = json.dumps({"keys": keys, "spiffe_sequence": sequence}).encode()
    for read in (read_plain, read_document):
        try:
            bundle = read(data)
        except InvalidBundle:
            continue
        assert bundle.trust_domain == HERE


@given(st.binary())
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for read in (read_plain, read_document):
        with pytest.raises(InvalidBundle):
            read(data)
