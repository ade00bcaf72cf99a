"""Which keys of a bundle the rules admit, and what is said of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.issuer.document import Document
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.rules import DocumentRules, KeyRules
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle

HOME = TrustDomain("example.org")
NOW = 1_800_000_000.0


def published(rules: KeyRules, *authorities: JwtAuthority) -> KeySet:
    return KeySet.from_bundle(JwtBundle.of(HOME, authorities), NOW, rules)


def key_ids(key_set: KeySet) -> list[str]:
    return [key.key_id for key in key_set.keys]


def test_only_keys_of_the_configured_algorithms(authorities: Mapping[str, JwtAuthority]) -> None:
    rules = KeyRules(algorithms=frozenset({"RS256", "ES384"}))
    key_set = published(rules, *authorities.values())
    assert key_set.algorithms() == ("ES384", "RS256")
    assert {(left.key_id, left.rule) for left in key_set.left_out} == {
        ("b", "algorithm"),
        ("d", "algorithm"),
    }


@pytest.mark.parametrize("rule", ["expired", "tainted"])
def test_keys_that_are_on_their_way_out(authorities: Mapping[str, JwtAuthority], rule: str) -> None:
    key = replace(
        authorities["ES256"], **{"expired": {"expires_at": 1}, "tainted": {"tainted": True}}[rule]
    )
    omitted = published(KeyRules(**{rule: False}), key)
    assert (key_ids(omitted), [left.rule for left in omitted.left_out]) == ([], [rule])
    kept = published(KeyRules(**{rule: True}), key)
    assert (key_ids(kept), kept.left_out) == (["b"], ())


def test_a_key_that_is_published_beyond_its_expiry_brings_no_further_change(
    authorities: Mapping[str, JwtAuthority],
) -> None:
    expired = replace(authorities["ES256"], expires_at=int(NOW) - 1)
    assert published(KeyRules(expired=True), expired).next_expiry(NOW) is None


def test_a_full_set_lets_tainted_keys_go_first_and_then_those_that_expire_first(
    authorities: Mapping[str, JwtAuthority],
) -> None:
    key = authorities["ES256"]
    lives = {
        "tainted": replace(key, tainted=True),
        "soon": replace(key, expires_at=int(NOW) + 10),
        "later": replace(key, expires_at=int(NOW) + 20),
        "unknown": key,
    }
    keys = [replace(authority, key_id=name) for name, authority in lives.items()]
    for count, expected in enumerate(
        ([], ["unknown"], ["later", "unknown"], ["later", "soon", "unknown"])
    ):
        if count:
            key_set = published(KeyRules(max_keys=count), *keys)
            assert key_ids(key_set) == expected
            assert {left.rule for left in key_set.left_out} == {"max_keys"}


@given(count=st.integers(0, 30), max_bytes=st.integers(1, 8000))
def test_a_set_is_as_large_as_its_limit_allows_and_no_larger(
    key: JwtAuthority, count: int, max_bytes: int
) -> None:
    keys = [replace(key, key_id=f"{number:02}") for number in range(count)]
    key_set = published(KeyRules(max_bytes=max_bytes), *keys)
    size = len(Document.of(key_set.to_jwks()).body)
    assert size <= max_bytes or not key_set.keys
    if key_set.left_out:
        one_more = KeySet((*key_set.keys, keys[len(key_set.keys)]))
        assert len(Document.of(one_more.to_jwks()).body) > max_bytes
    assert len(key_set.keys) + len(key_set.left_out) == count


@pytest.fixture(scope="module")
def key(authorities: Mapping[str, JwtAuthority]) -> JwtAuthority:
    return authorities["RS256"]


def test_use_can_be_left_out(authorities: Mapping[str, JwtAuthority]) -> None:
    (jwk,) = published(KeyRules(use=None), authorities["ES256"]).to_jwks()["keys"]
    assert "use" not in jwk


@pytest.mark.parametrize(
    ("configured", "hint", "seconds"),
    [(None, None, 300), (None, 60, 60), (None, 0, 300), (None, 10**9, 86_400), (0, 60, 0)],
)
def test_how_long_documents_may_be_kept(
    configured: int | None, hint: int | None, seconds: int
) -> None:
    assert DocumentRules(cache_seconds=configured).cache_lifetime(hint) == seconds
