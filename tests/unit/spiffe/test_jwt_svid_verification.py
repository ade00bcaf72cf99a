"""Proof of a JWT-SVID (JWT-SVID, section 4): the right key, the right audience."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from forgery.tokens import ec_key, jwk, jwk_set, signed

from spire_bridge.spiffe.errors import UntrustedSvid
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.jwt_svid import JwtSvid, verify_jwt_svid

NOW = 1_000_001

KEY_OF = {
    **dict.fromkeys(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], "rsa"),
    "ES256": "p256",
    "ES384": "p384",
    "ES512": "p521",
}


@pytest.mark.parametrize("algorithm", KEY_OF)
@pytest.mark.parametrize("named", [True, False], ids=["kid", "no kid"])
def test_every_algorithm_proves(
    keys: Any, bundles: Any, claims: Any, algorithm: str, named: bool
) -> None:
    key_id = KEY_OF[algorithm]
    header = {"alg": algorithm, **({"kid": key_id} if named else {})}
    token = signed(keys[key_id], header, claims)
    svid = verify_jwt_svid(token, bundles, "bridge", NOW)
    assert isinstance(svid, JwtSvid)
    assert (svid.token, str(svid.spiffe_id)) == (token, claims["sub"])
    assert (svid.audience, svid.expires_at) == (("bridge",), claims["exp"])
    assert dict(svid.claims) == claims


def test_a_proven_token_is_not_in_its_representation(keys: Any, bundles: Any, claims: Any) -> None:
    token = signed(keys["p256"], {"alg": "ES256"}, {**claims, "email": "someone@example.org"})
    shown = repr(verify_jwt_svid(token, bundles, "bridge", NOW))
    assert token not in shown
    assert "someone" not in shown


@pytest.mark.parametrize("key_id", ["p384", "P256", "p256 ", "", "unknown"])
def test_a_named_key_is_the_only_one_tried(
    keys: Any, bundles: Any, claims: Any, key_id: str
) -> None:
    token = signed(keys["p256"], {"alg": "ES256", "kid": key_id}, claims)
    with pytest.raises(UntrustedSvid, match="no key of trust domain"):
        verify_jwt_svid(token, bundles, "bridge", NOW)


@pytest.mark.parametrize("header", [{"alg": "ES256", "kid": "p256"}, {"alg": "ES256"}])
def test_a_key_outside_the_bundle_proves_nothing(bundles: Any, claims: Any, header: Any) -> None:
    token = signed(ec_key(99), header, claims)
    with pytest.raises(UntrustedSvid, match="no key of trust domain"):
        verify_jwt_svid(token, bundles, "bridge", NOW)


def test_an_unknown_trust_domain_proves_nothing(keys: Any, bundles: Any, claims: Any) -> None:
    token = signed(keys["p256"], {"alg": "ES256"}, {**claims, "sub": "spiffe://other.org/web"})
    with pytest.raises(UntrustedSvid, match=r"no bundle for trust domain other\.org"):
        verify_jwt_svid(token, bundles, "bridge", NOW)


def test_an_empty_bundle_proves_nothing(keys: Any, claims: Any, trust_domain: TrustDomain) -> None:
    token = signed(keys["p256"], {"alg": "ES256", "kid": "p256"}, claims)
    with pytest.raises(UntrustedSvid, match="no key"):
        verify_jwt_svid(token, {trust_domain: JwtBundle(trust_domain)}, "bridge", NOW)


def test_a_bundle_under_another_trust_domain_s_name_proves_nothing(
    keys: Any, claims: Any, trust_domain: TrustDomain
) -> None:
    """A caller's mistake must not let one trust domain sign for another."""
    data = jwk_set(jwk(keys["p256"], kid="p256"))
    mistaken = {trust_domain: JwtBundle.from_jwk_set(TrustDomain("other.org"), data)}
    token = signed(keys["p256"], {"alg": "ES256", "kid": "p256"}, claims)
    with pytest.raises(UntrustedSvid, match="no bundle"):
        verify_jwt_svid(token, mistaken, "bridge", NOW)


@pytest.mark.parametrize("header", [{"alg": "ES256", "kid": "p256"}, {"alg": "ES256"}])
def test_a_key_that_has_expired_proves_nothing(
    keys: Any, bundles: Any, claims: Any, trust_domain: TrustDomain, header: Any
) -> None:
    """SPIRE signs nothing beyond a key's end; who got hold of an old key would."""
    authority = replace(bundles[trust_domain].authorities["p256"], expires_at=NOW)
    ended = {trust_domain: JwtBundle.of(trust_domain, [authority])}
    token = signed(keys["p256"], header, claims)
    assert verify_jwt_svid(token, ended, "bridge", NOW - 1)
    assert verify_jwt_svid(token, ended, "bridge", NOW, leeway_seconds=1)
    with pytest.raises(UntrustedSvid, match="no key"):
        verify_jwt_svid(token, ended, "bridge", NOW)


def test_a_tainted_key_still_proves(
    keys: Any, bundles: Any, claims: Any, trust_domain: TrustDomain
) -> None:
    authority = replace(bundles[trust_domain].authorities["p256"], tainted=True)
    token = signed(keys["p256"], {"alg": "ES256", "kid": "p256"}, claims)
    assert verify_jwt_svid(
        token, {trust_domain: JwtBundle.of(trust_domain, [authority])}, "bridge", NOW
    )


def test_the_right_one_of_many_keys_is_found(trust_domain: TrustDomain, claims: Any) -> None:
    data = jwk_set(*(jwk(ec_key(number), kid=f"key-{number}") for number in range(300)))
    bundles = {trust_domain: JwtBundle.from_jwk_set(trust_domain, data)}
    for header in ({"alg": "ES256", "kid": "key-299"}, {"alg": "ES256"}):
        assert verify_jwt_svid(signed(ec_key(299), header, claims), bundles, "bridge", NOW)


@pytest.mark.parametrize(
    ("accepted", "audience"),
    [
        ("bridge", "bridge"),
        ("bridge", ["other", "bridge"]),
        (["a", "bridge"], ["bridge"]),
        ({"bridge"}, "bridge"),
        (iter(["bridge"]), ["bridge"]),
    ],
)
def test_one_common_name_is_enough(
    keys: Any, bundles: Any, claims: Any, accepted: Any, audience: Any
) -> None:
    token = signed(keys["p256"], {"alg": "ES256"}, {**claims, "aud": audience})
    assert verify_jwt_svid(token, bundles, accepted, NOW)


@pytest.mark.parametrize("accepted", ["", [], (), [""], "bridg", "bridges", "Bridge", "bridge "])
def test_nothing_like_a_common_name_is(keys: Any, bundles: Any, claims: Any, accepted: Any) -> None:
    token = signed(keys["p256"], {"alg": "ES256"}, claims)
    with pytest.raises(UntrustedSvid, match="another audience"):
        verify_jwt_svid(token, bundles, accepted, NOW)
