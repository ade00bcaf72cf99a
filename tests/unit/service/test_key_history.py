"""The life of each key, as the process has seen it."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.rules import KeyRules
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.service.issuing.key_history import KeyHistory, KeyRecord
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle

HOME = TrustDomain("example.org")
KEY = PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())
DAY = 86_400.0


class Life(KeyHistory):
    """Takes down editions as they follow from keys."""

    def told(self, now: float, *keys: JwtAuthority, rules: KeyRules | None = None) -> None:
        bundle = Bundle(HOME, JwtBundle.of(HOME, keys), X509Bundle(HOME))
        self.note_edition(bundle, KeySet.from_bundle(bundle.jwt, now, rules or KeyRules()), now)

    def of(self, key_id: str) -> KeyRecord:
        return next(record for record in self.records() if record.key_id == key_id)


def key(name: str, expires_at: int | None = None, *, tainted: bool = False) -> JwtAuthority:
    return JwtAuthority(name, KEY, expires_at, tainted)


def test_a_life_from_the_first_sight_to_the_withdrawal() -> None:
    life = Life()
    life.told(1.0, key("a", 500))
    life.told(2.0, key("a", 500), key("b"))
    assert life.note_signature("a", 3.0) == life.of("a")
    assert life.note_signature("a", 4.0) is None, "it is no news"
    life.told(5.0, key("b"))

    gone = life.of("a")
    assert (gone.first_seen, gone.first_published, gone.first_signed) == (1.0, 1.0, 3.0)
    assert (gone.expires_at, gone.withdrawn_at, gone.state) == (500, 5.0, "withdrawn")
    assert (life.of("b").first_seen, life.of("b").state) == (2.0, "published")


def test_a_key_that_a_rule_keeps_out_is_seen_and_not_published() -> None:
    life = Life()
    life.told(1.0, key("a", tainted=True), rules=KeyRules(tainted=False))
    assert (life.of("a").state, life.of("a").left_out) == ("left-out", "it is tainted")
    assert life.of("a").first_published is None


def test_a_key_that_signs_before_it_is_published_is_told_of() -> None:
    life = Life()
    record = life.note_signature("a", 1.0)
    assert record is not None
    assert (record.signed_too_early, record.state) == (True, "unknown")
    life.told(2.0, key("a"))
    assert life.of("a").signed_too_early, "what happened stays visible"
    life.told(2.0, key("a"), key("b"))
    life.note_signature("b", 3.0)
    assert not life.of("b").signed_too_early


def test_a_key_that_comes_back_is_no_new_one() -> None:
    life = Life()
    life.told(1.0, key("a"))
    life.told(2.0)
    life.told(3.0, key("a"))
    assert (life.of("a").first_seen, life.of("a").withdrawn_at) == (1.0, None)


def test_what_is_long_gone_is_forgotten_and_what_is_there_never() -> None:
    life = Life()
    life.told(0.0, key("old"), key("standing"))
    life.note_signature("stray", 0.0)
    life.told(1.0, key("standing"))
    life.told(DAY + 0.5, key("standing"))
    assert {record.key_id for record in life.records()} == {"old", "standing"}
    life.told(DAY + 2, key("standing"))
    assert {record.key_id for record in life.records()} == {"standing"}


def test_no_more_than_so_many_are_remembered() -> None:
    life = Life()
    for number in range(500):
        life.told(float(number), key(str(number)))
    assert [record.key_id for record in life.records()] == [str(n) for n in range(299, 500)]
