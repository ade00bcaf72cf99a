"""What a workload identity pool provider asks of tokens."""

from __future__ import annotations

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.expectations.cel_bound import CelBound, bound_of
from spire_bridge.cloud.google.trust import SUBJECT, GoogleTrust
from spire_bridge.cloud.subjects import SubjectBound

_SUBJECT_OF_TOKEN = "assertion.sub"  # noqa: S105 - an expression
_SELECTING = frozenset({"attribute condition", "service account"})


def expectations(trust: GoogleTrust) -> tuple[Expectation, ...]:
    """By the condition, or by the principals that may become the service account."""
    condition = trust.condition.text if trust.condition is not None else ""
    bound = bound_of((condition,), _SUBJECT_OF_TOKEN)
    if _is_mapped_as_it_is(trust):
        if bound.subjects == SubjectBound.any():
            bound = bound_of((condition,), SUBJECT)
        if bound.subjects == SubjectBound.any():
            bound = CelBound(_principals(trust), bound.is_all)
    return (
        Expectation(
            trust.issuer,
            trust.audiences,
            bound.subjects,
            selecting=_SELECTING,
            is_decided=bound.is_all and trust.service_account is None and _maps_plainly(trust),
        ),
    )


def _is_mapped_as_it_is(trust: GoogleTrust) -> bool:
    return trust.mapping[SUBJECT].text.strip() == _SUBJECT_OF_TOKEN


def _maps_plainly(trust: GoogleTrust) -> bool:
    """Whether no attribute but google.subject comes of the subject, and that one unchanged."""
    others = (e.text for key, e in trust.mapping.items() if key != SUBJECT)
    return _is_mapped_as_it_is(trust) and not any("sub" in text for text in others)


def _principals(trust: GoogleTrust) -> SubjectBound:
    account = trust.service_account
    if account is None or account.policy is None:
        return SubjectBound.any()
    prefix = f"principal://iam.googleapis.com/{trust.pool}/subject/"
    members = [member for b in account.policy.impersonators() for member in b.members]
    if any(member.startswith("principalSet:") for member in members):
        return SubjectBound.any()
    return SubjectBound(frozenset(m[len(prefix) :] for m in members if m.startswith(prefix)))
