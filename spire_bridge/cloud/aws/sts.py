"""AWS STS AssumeRoleWithWebIdentity: what it checks of a token, in its order and its words.

A model made from AWS' documentation and from captured answers of the service. The order is
inferred from which of several faults is answered first; what no public source tells is marked
as assumed.
"""

from __future__ import annotations

from typing import Any

from spire_bridge.cloud.aws import key_rules, role_rules, token_rules
from spire_bridge.cloud.aws.case import Case
from spire_bridge.cloud.aws.lint import lint
from spire_bridge.cloud.aws.trust import AwsTrust, Request, parse_trust
from spire_bridge.cloud.aws.web_identity import subject
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.rule import Verdict, judge

__all__ = ["RULES", "TITLE", "AwsTrust", "Request", "evaluate", "lint", "parse_trust"]

TITLE = "AWS STS AssumeRoleWithWebIdentity"

RULES = (*token_rules.rules(), *key_rules.rules(), *role_rules.rules())


def evaluate(presentation: Presentation, trust: AwsTrust) -> Verdict:
    """What STS would answer to this token for this role. Never raises."""
    return judge(TITLE, trust.name, RULES, Case.of(presentation, trust), identity)


def identity(case: Case) -> dict[str, Any]:
    """The session that results, by the names of STS' answer; `Arn` is the assumed role's."""
    assert case.provider is not None
    request, tags = case.trust.request, case.carried.session_tags
    session: dict[str, Any] = {
        "Arn": case.trust.session_arn,
        "SubjectFromWebIdentityToken": subject(case.claims),
        "Audience": case.audience,
        "Provider": case.provider.arn,
        "DurationSeconds": request.duration_seconds,
    }
    if source := case.carried.identity:
        session["SourceIdentity"] = source
    if tags.tags:
        session["PrincipalTags"] = dict(tags.tags)
        session["TransitiveTagKeys"] = list(tags.transitive)
    return session
