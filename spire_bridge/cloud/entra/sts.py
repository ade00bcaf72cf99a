"""Entra's client credentials with a federated assertion, clause by clause.

A model made from documentation and from answers that were published; it is not Entra.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spire_bridge.cloud.entra import limits
from spire_bridge.cloud.entra.case import Case, case_of
from spire_bridge.cloud.entra.credential_rules import CREDENTIAL_RULES
from spire_bridge.cloud.entra.key_rules import KEY_RULES
from spire_bridge.cloud.entra.lint import lint, lint_subjects
from spire_bridge.cloud.entra.trust import EntraTrust, parse_trust
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.rule import Rule, Verdict, judge

__all__ = ["TITLE", "EntraTrust", "evaluate", "lint", "lint_subjects", "parse_trust"]

TITLE = "Microsoft Entra federated identity credential"

# Inferred: the order in which Entra's answers were seen to give way to each other.
_RULES: tuple[Rule[Case], ...] = (*CREDENTIAL_RULES, *KEY_RULES)


def evaluate(presentation: Presentation, trust: EntraTrust) -> Verdict:
    """What Entra would say to the token. Never raises."""
    return judge(TITLE, trust.name, _RULES, case_of(presentation, trust), _identity)


def _identity(case: Case) -> Mapping[str, Any]:
    trust = case.trust
    return {
        "service_principal": trust.application or trust.request.client_id,
        "display_name": trust.display_name,
        "tenant": trust.tenant or trust.request.tenant,
        "federated_credential": case.of_audience[0].name,
        "scope": trust.request.scope,
        "expires_in": limits.TOKEN_SECONDS,
    }
