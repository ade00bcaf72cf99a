"""Google's token exchange and the impersonation after it, clause by clause.

A model made from documentation and from measurements that were published; it is not Google.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spire_bridge.cloud.google import limits
from spire_bridge.cloud.google.attribute_rules import (
    ACCOUNT_RULE,
    ATTRIBUTE_RULES,
    UNKNOWN_POLICY_RULE,
)
from spire_bridge.cloud.google.case import Case
from spire_bridge.cloud.google.credential_rules import CREDENTIAL_RULES
from spire_bridge.cloud.google.iam_policy import MappedAttributes
from spire_bridge.cloud.google.lint import lint, lint_subjects
from spire_bridge.cloud.google.trust import GROUPS, SUBJECT, GoogleTrust, parse_trust
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.rule import Rule, Verdict, judge

__all__ = ["TITLE", "GoogleTrust", "evaluate", "lint", "lint_subjects", "parse_trust"]

TITLE = "Google STS token exchange"

# Partly inferred: the order in which Google's answers were seen to give way to each other.
_EXCHANGE: tuple[Rule[Case], ...] = (*CREDENTIAL_RULES, *ATTRIBUTE_RULES)
_EXCHANGE_AND_ACCOUNT = (*_EXCHANGE, ACCOUNT_RULE)
_EXCHANGE_AND_UNKNOWN_POLICY = (*_EXCHANGE, UNKNOWN_POLICY_RULE)


def evaluate(presentation: Presentation, trust: GoogleTrust) -> Verdict:
    """What Google would say to the token. Never raises."""
    return judge(TITLE, trust.name, _rules(trust), Case.of(presentation, trust), _identity)


def _rules(trust: GoogleTrust) -> tuple[Rule[Case], ...]:
    if trust.service_account is None:
        return _EXCHANGE
    return _EXCHANGE_AND_ACCOUNT if trust.service_account.policy else _EXCHANGE_AND_UNKNOWN_POLICY


def _identity(case: Case) -> Mapping[str, Any]:
    trust, mapped = case.trust, case.mapped
    assert isinstance(mapped, MappedAttributes)
    expires_at = case.presentation.token.time("exp") or 0
    lifetime = min(expires_at - case.presentation.now, limits.MAX_TOKEN_SECONDS)
    identity: dict[str, Any] = {
        SUBJECT: mapped.subject,
        GROUPS: list(mapped.groups),
        "attributes": dict(mapped.attributes),
        "principal": mapped.principal(trust.pool),
        "principal_sets": list(mapped.principal_sets(trust.pool)),
        "expires_in": max(0, int(lifetime - limits.SECONDS_LOST_IN_EXCHANGE)),
    }
    if trust.service_account is not None:
        identity["service_account"] = trust.service_account.email
        identity["service_account_token_seconds"] = trust.service_account.token_seconds
    return identity
