"""What to look at in the trust that AWS has: conditions that admit more than meant, or nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spire_bridge.cloud.aws.condition import Condition, Quantifier
from spire_bridge.cloud.aws.limits import (
    MAX_CLIENT_IDS,
    MAX_SESSION_SECONDS,
    MAX_TRUST_POLICY_CHARACTERS,
    MAX_URL_CHARACTERS,
    MIN_ROLE_SESSION_SECONDS,
    TRUST_POLICY_CHARACTERS,
)
from spire_bridge.cloud.aws.pattern import has_wildcard
from spire_bridge.cloud.aws.policy import ASSUME_ROLE_WITH_WEB_IDENTITY, Statement
from spire_bridge.cloud.aws.trust import AwsTrust, Provider
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.presented_token import shown

_CLAIM_KEYS = ("aud", "sub", "amr", "oaud", "email")
_PINNING = ("StringEquals", "StringEqualsIgnoreCase", "StringLike")


def lint(trust: AwsTrust) -> Iterator[LintFinding]:
    """The findings about one role, in the order of its policy."""
    yield from _role(trust)
    for provider in trust.providers.values():
        yield from _provider(provider, trust)
    statements = trust.role.policy.concerning(ASSUME_ROLE_WITH_WEB_IDENTITY)
    for statement in statements:
        yield from _statement(_Place(trust, statement))
    yield from _disagreements(trust, statements)


@dataclass(frozen=True, slots=True)
class _Place:
    """A statement of a role's policy, and how a finding names places in it."""

    trust: AwsTrust
    statement: Statement

    def at(self, suffix: str = "") -> str:
        return f"{self.trust.name}: {self.statement.place}{suffix}"

    def of(self, condition: Condition) -> str:
        return self.at(f".Condition.{condition.operator}.{condition.key}")


def _statement(place: _Place) -> Iterator[LintFinding]:
    statement = place.statement
    yield from _principal(place)
    for condition in statement.conditions:
        yield from _condition(condition, place)
    if statement.allows and not statement.problem:
        yield from _unpinned(place)


def _principal(place: _Place) -> Iterator[LintFinding]:
    statement = place.statement
    if statement.problem:
        message = f"{statement.problem}: the statement is taken to say nothing"
        fix = "name the principals that are meant"
        yield LintFinding("principal", Severity.WARNING, place.at(".Principal"), message, fix)
    named = {name for names in statement.principals.values() for name in names}
    if "*" in named and statement.allows:
        message = "the principal is everybody, not one identity provider"
        fix = "name the provider: {'Federated': 'arn:aws:iam::<account>:oidc-provider/<issuer>'}"
        yield LintFinding("principal", Severity.ERROR, place.at(".Principal"), message, fix)


def _condition(condition: Condition, place: _Place) -> Iterator[LintFinding]:
    where = place.of(condition)
    if condition.problem:
        message = f"never satisfied here: {condition.problem}"
        fix = "use an operator and a key of the IAM User Guide, or check the rest by hand"
        yield LintFinding("unknown condition", Severity.WARNING, where, message, fix)
        return
    yield from _key(condition, place)
    yield from _wildcards(condition, place)
    if condition.quantifier is Quantifier.ALL and not _is_guarded(condition, place.statement):
        message = f"ForAllValues is satisfied by a token without {condition.key}"
        fix = f"add 'Null': {{'{condition.key}': 'false'}}, or use ForAnyValue"
        yield LintFinding("missing key matches", Severity.WARNING, where, message, fix)


def _is_guarded(condition: Condition, statement: Statement) -> bool:
    """Whether another condition demands that the key is there."""
    return any(
        other.name == "Null"
        and other.key.lower() == condition.key.lower()
        and other.values == ("false",)
        for other in statement.conditions
    )


def _key(condition: Condition, place: _Place) -> Iterator[LintFinding]:
    """Keys that AWS makes of no token."""
    key = condition.key.lower()
    if key.startswith(("aws:", "sts:")) or not place.trust.providers:
        return
    prefix, _, claim = key.rpartition(":")
    if not any(provider.key_prefix == f"{prefix}:" for provider in place.trust.providers.values()):
        message = "the key names no issuer that the role trusts"
        fix = f"write {next(iter(place.trust.providers.values())).key_prefix}{claim}"
    elif claim not in _CLAIM_KEYS:
        message = f"AWS makes no condition key of the claim {shown(claim)} of this issuer"
        fix = f"use one of {', '.join(_CLAIM_KEYS)}, or put what is meant into the SPIFFE ID"
    else:
        return
    yield LintFinding("unknown key", Severity.ERROR, place.of(condition), message, fix)


def _wildcards(condition: Condition, place: _Place) -> Iterator[LintFinding]:
    where = place.of(condition)
    for value in condition.values:
        if condition.name in ("StringEquals", "StringNotEquals") and "*" in value:
            message = f"{condition.name} takes the * in {shown(value)} literally"
            fix = f"use {condition.name.replace('Equals', 'Like')}, or write the value out"
            yield LintFinding("literal wildcard", Severity.ERROR, where, message, fix)
        elif (
            condition.name == "StringLike" and place.statement.allows and _is_of_subject(condition)
        ):
            yield from _pattern(value, where)


def _is_of_subject(condition: Condition) -> bool:
    return condition.key.lower().endswith(":sub")


def _pattern(value: str, where: str) -> Iterator[LintFinding]:
    """A star crosses slashes: how much a pattern of SPIFFE IDs admits depends on where it is."""
    breadth = _breadth(value)
    if breadth is not None:
        severity, message = breadth
        fix = "list the SPIFFE IDs that are meant, or end the pattern with /* below their path"
        yield LintFinding("wildcard", severity, where, f"{shown(value)} {message}", fix)


def _breadth(value: str) -> tuple[Severity, str] | None:
    """How much more than one SPIFFE ID a pattern admits; None if it has no star."""
    trust_domain, slash, path = value.partition("://")[2].partition("/")
    stem = path.removesuffix("*")
    if not slash or has_wildcard(trust_domain):
        return (Severity.ERROR, "admits other trust domains") if "*" in value else None
    if path == "*":
        return Severity.WARNING, "admits every workload of the trust domain"
    if "*" in stem:
        return Severity.WARNING, "has a * that crosses path segments, and admits more than one name"
    if stem != path and not stem.endswith("/"):
        return Severity.WARNING, "ends within a name: it admits longer ones, and all below them"
    return (Severity.NOTE, "admits every path below, however deep") if stem != path else None


def _unpinned(place: _Place) -> Iterator[LintFinding]:
    conditions = place.statement.conditions
    for claim, severity, message, fix in (
        (
            "sub",
            Severity.ERROR,
            "any subject of the issuer may assume the role: nothing pins sub",
            "add StringEquals with the SPIFFE IDs that are meant",
        ),
        (
            "aud",
            Severity.WARNING,
            "a token for any registered audience will do: nothing pins aud",
            "add StringEquals with the audience that is meant for AWS",
        ),
    ):
        if not any(_pins(condition, claim) for condition in conditions):
            yield LintFinding(f"{claim} not pinned", severity, place.at(".Condition"), message, fix)


def _pins(condition: Condition, claim: str) -> bool:
    """Whether a condition demands a value of the claim, and not just any."""
    return (
        condition.key.lower().endswith(f":{claim}")
        and condition.name in _PINNING
        and not condition.problem
        and not condition.if_exists
        and condition.quantifier is not Quantifier.ALL
        and not any(value and not value.strip("*") for value in condition.values)
    )


def _provider(provider: Provider, trust: AwsTrust) -> Iterator[LintFinding]:
    where = f"{trust.name}: {shown(provider.issuer)}"
    if len(provider.issuer) > MAX_URL_CHARACTERS:
        message = f"the provider's URL is longer than {MAX_URL_CHARACTERS} characters"
        yield LintFinding("provider", Severity.ERROR, where, message, "use a shorter issuer")
    if len(provider.client_ids or ()) > MAX_CLIENT_IDS:
        message = f"the provider has more than {MAX_CLIENT_IDS} client IDs"
        yield LintFinding("provider", Severity.ERROR, where, message, "use fewer audiences")


def _role(trust: AwsTrust) -> Iterator[LintFinding]:
    role = trust.role
    if not MIN_ROLE_SESSION_SECONDS <= role.max_session_seconds <= MAX_SESSION_SECONDS:
        message = f"sessions of {role.max_session_seconds} s: IAM takes 1 to 12 hours"
        fix = "set MaxSessionDuration to 3600 up to 43200"
        place = f"{trust.name}: MaxSessionDuration"
        yield LintFinding("session duration", Severity.ERROR, place, message, fix)
    size = role.policy.characters
    if size > TRUST_POLICY_CHARACTERS:
        limit = MAX_TRUST_POLICY_CHARACTERS
        severity = Severity.ERROR if size > limit else Severity.WARNING
        message = f"the trust policy has {size} characters; IAM takes 2048, and 4096 by quota"
        fix = "split the role, or write subjects shorter"
        yield LintFinding("policy size", severity, f"{trust.name}: trust policy", message, fix)


def _disagreements(trust: AwsTrust, statements: tuple[Statement, ...]) -> Iterator[LintFinding]:
    """Statements of which one takes away what another gives, or its demands."""
    for statement in statements:
        for condition in statement.conditions:
            if statement.allows and _is_of_subject(condition) and condition.name == "StringEquals":
                for subject in condition.values:
                    yield from _contradicted(subject, condition, _Place(trust, statement))


def _contradicted(subject: str, condition: Condition, place: _Place) -> Iterator[LintFinding]:
    context: Mapping[str, tuple[str, ...]] = {condition.key.lower(): (subject,)}
    policy = place.trust.role.policy
    for other in policy.concerning(ASSUME_ROLE_WITH_WEB_IDENTITY):
        if other is place.statement or not _is_about(other, context):
            continue
        if not other.allows and len(other.conditions) == 1:
            message = f"allows {shown(subject)}, which {other.place} denies"
            fix = f"take {shown(subject)} out of one of the statements"
            yield LintFinding("disagreement", Severity.WARNING, place.of(condition), message, fix)
        elif other.allows and len(other.conditions) < len(place.statement.conditions):
            message = f"demands more of {shown(subject)} than {other.place}, which is enough for it"
            fix = "let one statement speak of a subject"
            yield LintFinding("disagreement", Severity.WARNING, place.of(condition), message, fix)


def _is_about(statement: Statement, context: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a statement names the context's subject, by itself or by a pattern."""
    return any(
        _is_of_subject(condition) and condition.name in _PINNING and condition.holds(context)
        for condition in statement.conditions
    )
