"""What a role's trust policy asks of tokens."""

from __future__ import annotations

from collections.abc import Iterator

from spire_bridge.cloud.aws.policy import ASSUME_ROLE_WITH_WEB_IDENTITY, Caller, Statement
from spire_bridge.cloud.aws.trust import AwsTrust, Provider
from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.subjects import SubjectBound

_EXACT = frozenset({"StringEquals"})
_GLOBS = frozenset({"StringLike"})
_SELECTING = frozenset({"trust policy"})
_USUAL_AUDIENCE = "sts.amazonaws.com"


def expectations(trust: AwsTrust) -> tuple[Expectation, ...]:
    """One for each statement that lets in identities of a provider."""
    return tuple(
        _expectation(statement, provider, trust)
        for provider in trust.providers.values()
        for statement in trust.role.policy.concerning(ASSUME_ROLE_WITH_WEB_IDENTITY)
        if statement.allows and statement.concerns(Caller("Federated", provider.arn))
    )


def _expectation(statement: Statement, provider: Provider, trust: AwsTrust) -> Expectation:
    pinned = tuple(_values(statement, f"{provider.key_prefix}aud", _EXACT | _GLOBS))
    literal = [value for value in pinned if not SubjectBound.matching([value]).globs]
    registered = sorted(provider.client_ids or ())
    usable = [value for value in literal if value in registered] or literal or registered
    return Expectation(
        provider.issuer,
        tuple(usable) or (_USUAL_AUDIENCE,),
        _subjects(statement, f"{provider.key_prefix}sub"),
        pins_audience=bool(pinned) or len(registered) == 1,
        selecting=_SELECTING,
        is_decided=_is_decided(statement, f"{provider.key_prefix}sub", trust),
    )


def _subjects(statement: Statement, key: str) -> SubjectBound:
    exact, globs = list(_values(statement, key, _EXACT)), list(_values(statement, key, _GLOBS))
    if any("${" in value for value in (*exact, *globs)):  # a policy variable
        return SubjectBound.any()
    if exact:
        return SubjectBound(exact=frozenset(exact))
    return SubjectBound.matching(globs) if globs else SubjectBound.any()


def _is_decided(statement: Statement, key: str, trust: AwsTrust) -> bool:
    """Whether at most one plain condition is about the subject, and nothing denies anybody."""
    about = [condition for condition in statement.conditions if condition.key.lower() == key]
    return (
        all(s.allows for s in trust.role.policy.concerning(ASSUME_ROLE_WITH_WEB_IDENTITY))
        and not any("${" in value for c in statement.conditions for value in c.values)
        and len(about) <= 1
        and all(c.name in _EXACT | _GLOBS and not c.if_exists for c in about)
    )


def _values(statement: Statement, key: str, operators: frozenset[str]) -> Iterator[str]:
    """Those that a positive condition, which an absent key does not satisfy, compares with."""
    for condition in statement.conditions:
        if condition.key.lower() == key and condition.name in operators and not condition.if_exists:
            yield from condition.values
