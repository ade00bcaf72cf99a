"""JWT keys, and the tokens that they sign, checked with PyJWT."""

from __future__ import annotations

from typing import Any

import jwt as pyjwt
import pytest

from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.jwt_authority import JwtAuthority, KeyType

ID = "spiffe://example.org/web"
MEMBERS = {"RSA": {"kty", "kid", "n", "e"}, "EC": {"kty", "kid", "crv", "x", "y"}}


def decoded(authority: JwtAuthority, token: str) -> dict[str, Any]:
    assert authority.current is not None
    jwk = pyjwt.PyJWK(authority.current.public_jwk, algorithm=authority.key_type.alg)
    algorithms = [authority.key_type.alg]
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    return dict(pyjwt.decode(token, jwk, algorithms=algorithms, options=options))


@pytest.mark.parametrize(
    ("key_type", "alg", "kty"),
    [
        (KeyType.RSA_2048, "RS256", "RSA"),
        (KeyType.RSA_4096, "RS256", "RSA"),
        (KeyType.EC_P256, "ES256", "EC"),
        (KeyType.EC_P384, "ES384", "EC"),
    ],
)
def test_each_key_type_signs_with_its_algorithm(
    clock: Any, key_type: KeyType, alg: str, kty: str
) -> None:
    authority = JwtAuthority(clock, key_type=key_type)
    token = authority.issue(ID, ["db"], 300).token
    assert authority.current is not None
    header = {"alg": alg, "kid": authority.current.key_id, "typ": "JWT"}
    assert pyjwt.get_unverified_header(token) == header
    assert decoded(authority, token)["sub"] == ID
    jwk = authority.current.public_jwk
    assert jwk["kty"] == kty
    assert set(jwk) == MEMBERS[kty]


@pytest.mark.parametrize("issuer", [None, "https://issuer.example.org"])
def test_the_claims_are_those_of_spire(clock: Any, issuer: str | None) -> None:
    authority = JwtAuthority(clock, key_type=KeyType.EC_P256, issuer=issuer)
    claims = decoded(authority, authority.issue(ID, ["db", "", "cache"], 300).token)
    now = int(clock())
    expected = {"aud": ["db", "cache"], "exp": now + 300, "iat": now, "sub": ID}
    assert claims == expected | ({"iss": issuer} if issuer else {})


def test_a_token_does_not_outlive_its_key(clock: Any) -> None:
    authority = JwtAuthority(clock, key_type=KeyType.EC_P256, ttl_seconds=100)
    clock.advance(90)
    issued = authority.issue(ID, ["db"], 300)
    assert issued.expires_at == int(clock()) + 10
    clock.advance(10)
    with pytest.raises(SandboxError, match="no JWT key"):
        authority.issue(ID, ["db"], 300)


@pytest.mark.parametrize("audience", [[], [""]])
def test_a_token_needs_an_audience(clock: Any, audience: list[str]) -> None:
    with pytest.raises(SandboxError, match="audience"):
        JwtAuthority(clock, key_type=KeyType.EC_P256).issue(ID, audience, 300)


def test_any_claims_can_be_signed(clock: Any) -> None:
    authority = JwtAuthority(clock, key_type=KeyType.EC_P256)
    assert decoded(authority, authority.sign({"sub": "not a SPIFFE ID"})) == {
        "sub": "not a SPIFFE ID"
    }


def test_a_private_key_is_in_no_representation(clock: Any) -> None:
    authority = JwtAuthority(clock, key_type=KeyType.EC_P256)
    issued = authority.issue(ID, ["db"], 300)
    assert "private_key" not in repr(authority.current)
    assert issued.token not in repr(issued)
