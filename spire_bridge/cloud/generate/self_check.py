"""Puts tokens to what is about to be configured: of those who are meant, and of neighbours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spire_bridge.cloud.faultless_token import present_token
from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.neighbours import ClaimedToken, meant, neighbours
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.rule import Verdict
from spire_bridge.cloud.verifiers import VERIFIERS
from spire_bridge.errors import BridgeError

_NOW = 1_700_000_000  # no rule at issue depends on the day


class NotAsMeant(BridgeError):
    """What would be configured lets in somebody else, or not those who are meant."""

    code = "TRUST_NOT_AS_MEANT"


@dataclass(frozen=True, slots=True)
class Checked:
    """How many tokens were accepted and how many refused, all as it should be."""

    accepted: int = 0
    refused: int = 0


def check(granted: Iterable[Grant], algorithm: str) -> Checked:
    """Has the verifiers' rules judge tokens that are signed by `algorithm`.

    Raises `NotAsMeant` for the first workload that is refused, and for the first neighbour
    that is let in.
    """
    accepted = refused = 0
    for grant in granted:
        rules = VERIFIERS[grant.verifier].rules
        trust = rules.parse_trust(grant.trust, name=grant.place)
        for token in meant(grant):
            _expect_accepted(grant, token, rules.evaluate(_presented(token, algorithm), trust))
            accepted += 1
        for token in neighbours(grant):
            _expect_refused(grant, token, rules.evaluate(_presented(token, algorithm), trust))
            refused += 1
    return Checked(accepted, refused)


def _expect_accepted(grant: Grant, token: ClaimedToken, verdict: Verdict) -> None:
    if (failed := verdict.failed) is not None:
        raise NotAsMeant(
            f"{grant.place}: {verdict.verifier} would refuse {token.subject} by its clause"
            f" {failed.name!r}",
            hint=failed.check.fix or None,
        )
    identity = verdict.identity
    if not (grant.gets_something(identity) and grant.is_meant(identity, token.subject)):
        raise NotAsMeant(f"{grant.place}: {token.subject} would not become what is described")


def _expect_refused(grant: Grant, token: ClaimedToken, verdict: Verdict) -> None:
    if verdict.accepted and grant.gets_something(verdict.identity):
        raise NotAsMeant(
            f"{grant.place}: {verdict.verifier} would let in a token with {token.what}:"
            f" {token.subject}",
            hint="this is a defect of the generator: please report it, with the description",
        )


def _presented(token: ClaimedToken, algorithm: str) -> Presentation:
    return present_token(token.issuer, token.subject, token.audience, _NOW, algorithm)
