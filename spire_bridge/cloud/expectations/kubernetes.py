"""What an AuthenticationConfiguration asks of tokens."""

from __future__ import annotations

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.expectations.cel_bound import CelBound, bound_of
from spire_bridge.cloud.kubernetes.configuration import JwtAuthenticator, KubernetesTrust
from spire_bridge.cloud.subjects import SubjectBound

_SELECTING = frozenset({"required claims", "claim validation", "user validation"})


def expectations(trust: KubernetesTrust) -> tuple[Expectation, ...]:
    """One for each issuer."""
    return tuple(map(_expectation, trust.authenticators))


def _expectation(entry: JwtAuthenticator) -> Expectation:
    bound = _subjects(entry)
    mappings = (entry.username, entry.groups, entry.uid)
    is_plain = not entry.user_rules and all(mapping.expression is None for mapping in mappings)
    return Expectation(
        entry.url,
        entry.audiences,
        bound.subjects,
        selecting=_SELECTING,
        is_decided=bound.is_all and is_plain and not entry.extra,
    )


def _subjects(entry: JwtAuthenticator) -> CelBound:
    rules = [rule.expression.text for rule in entry.claim_rules]
    if "sub" in entry.required_claims:
        return CelBound(SubjectBound(frozenset({entry.required_claims["sub"]})), not rules)
    return bound_of(rules, "claims.sub")
