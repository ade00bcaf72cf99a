"""How often a model cloud asks an issuer."""

from __future__ import annotations

from clouds_under_test import ISSUER, Issuer

from spire_bridge.models.issuer_cache import (
    ASSUMED_CACHE_SECONDS,
    ASSUMED_LOOK_AGAIN_SECONDS,
    IssuerCache,
)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_known_key_is_asked_for_once_until_it_is_old() -> None:
    issuer, time = Issuer(), Time()
    cache = IssuerCache(issuer.read, clock=time)
    for time.now in (0.0, 1.0, ASSUMED_CACHE_SECONDS - 1):
        assert cache.documents(ISSUER, "one").key("one") is not None
    assert len(issuer.asked) == 1
    time.now = ASSUMED_CACHE_SECONDS
    cache.documents(ISSUER, "one")
    assert len(issuer.asked) == 2


def test_an_unknown_key_has_the_issuer_asked_again_but_not_by_a_flood() -> None:
    issuer, time = Issuer(), Time()
    cache = IssuerCache(issuer.read, clock=time)
    cache.documents(ISSUER, "one")
    issuer.keys = ("one", "two")
    for _ in range(100):
        assert cache.documents(ISSUER, "two").key("two") is None
    assert len(issuer.asked) == 1
    time.now = ASSUMED_LOOK_AGAIN_SECONDS
    assert cache.documents(ISSUER, "two").key("two") is not None


def test_an_issuer_that_was_away_is_asked_again() -> None:
    issuer, time = Issuer(problem="away"), Time()
    cache = IssuerCache(issuer.read, clock=time)
    assert cache.documents(ISSUER, "one").problem == "away"
    issuer.problem = ""
    time.now = ASSUMED_LOOK_AGAIN_SECONDS
    assert cache.documents(ISSUER, "one").problem == ""


def test_a_revoked_key_is_believed_while_it_is_kept() -> None:
    issuer, time = Issuer(), Time()
    cache = IssuerCache(issuer.read, clock=time)
    cache.documents(ISSUER, "one")
    issuer.keys = ()
    assert cache.documents(ISSUER, "one").key("one") is not None
    time.now = ASSUMED_CACHE_SECONDS
    assert cache.documents(ISSUER, "one").key("one") is None
