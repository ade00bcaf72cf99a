"""Which keys are published, and with which members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from spire_bridge.issuer.key_set import KeySet
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle

HOME = TrustDomain.parse("example.org")
NOW = 1_800_000_000.0
MEMBERS = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}}


def key_set(*authorities: JwtAuthority, now: float = NOW) -> KeySet:
    return KeySet.from_bundle(JwtBundle.of(HOME, authorities), now)


def test_each_key_says_what_it_signs_with(authorities: Mapping[str, JwtAuthority]) -> None:
    keys = key_set(*authorities.values()).to_jwks()["keys"]
    assert [(key["kid"], key["alg"]) for key in keys] == [
        ("a", "ES384"),
        ("b", "ES256"),
        ("c", "RS256"),
        ("d", "ES512"),
    ]


def test_each_key_has_these_members_and_no_others(
    authorities: Mapping[str, JwtAuthority],
) -> None:
    for key in key_set(*authorities.values()).to_jwks()["keys"]:
        assert key.keys() == {"kid", "use", "alg", "kty"} | MEMBERS[key["kty"]]
        assert key["use"] == "sig"


def test_the_algorithms_are_those_of_the_keys(authorities: Mapping[str, JwtAuthority]) -> None:
    assert key_set().algorithms() == ()
    assert key_set(authorities["ES384"]).algorithms() == ("ES384",)
    assert key_set(*authorities.values()).algorithms() == ("ES256", "ES384", "ES512", "RS256")


def test_a_revoked_bundle_is_an_empty_set() -> None:
    assert key_set().to_jwks() == {"keys": []}
    assert key_set().next_expiry(NOW) is None


@pytest.mark.parametrize(("expires_at", "published"), [(NOW + 1, True), (NOW, False), (1, False)])
def test_an_expired_key_is_not_published(
    authorities: Mapping[str, JwtAuthority], expires_at: float, published: bool
) -> None:
    authority = replace(authorities["ES256"], expires_at=int(expires_at))
    assert bool(key_set(authority).keys) is published


def test_a_key_of_unknown_expiry_is_published(authorities: Mapping[str, JwtAuthority]) -> None:
    assert key_set(authorities["ES256"], now=1e12).keys


def test_a_tainted_key_is_published_until_it_is_revoked(
    authorities: Mapping[str, JwtAuthority],
) -> None:
    assert key_set(replace(authorities["ES256"], tainted=True)).keys


def test_the_next_expiry_is_that_of_the_first_key_to_go(
    authorities: Mapping[str, JwtAuthority],
) -> None:
    first, second, third, gone = authorities.values()
    keys = key_set(
        first,
        replace(second, expires_at=int(NOW) + 20),
        replace(third, expires_at=int(NOW) + 10),
        replace(gone, expires_at=int(NOW) - 10),
    )
    assert keys.next_expiry(NOW) == NOW + 10
    assert key_set(first).next_expiry(NOW) is None
