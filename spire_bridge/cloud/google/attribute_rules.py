"""What Google checks of the attributes that it mapped, up to the service account."""

from __future__ import annotations

from spire_bridge.cloud.cel import CelError
from spire_bridge.cloud.google import limits
from spire_bridge.cloud.google.case import Case
from spire_bridge.cloud.google.iam_policy import IMPERSONATING_ROLES, MappedAttributes
from spire_bridge.cloud.google.mapping import condition_roots
from spire_bridge.cloud.google.trust import GROUPS, SUBJECT
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Refusal, Rule

_PROVIDER = "Google Cloud IAM: WorkloadIdentityPoolProvider"
_MOST_BYTES = f"at most {limits.MAX_SUBJECT_BYTES} bytes"
_IMPERSONATION = "Google Cloud IAM Credentials v1: generateAccessToken"


def _mapped_type(case: Case) -> Check:
    mapped = case.mapped
    if isinstance(mapped, MappedAttributes):
        return Check(shown(mapped.subject), "STRING")
    return Check(
        f"{mapped.attribute}: {shown(mapped.error.message)}",
        mapped.wanted,
        Refusal(
            "unauthorized_client",
            f"The mapped attribute '{mapped.attribute}' must be of type {mapped.wanted}.",
            assumed=mapped.attribute != SUBJECT,
        ),
        f"map {mapped.attribute} from a claim that every token has, as a"
        f" {'list of strings' if mapped.attribute == GROUPS else 'string'}",
    )


def _subject_size(case: Case) -> Check:
    assert isinstance(case.mapped, MappedAttributes)
    size = len(case.mapped.subject.encode(errors="surrogatepass"))
    if size <= limits.MAX_SUBJECT_BYTES:
        return Check(f"{size} bytes", _MOST_BYTES)
    message = (
        f"The size of mapped attribute {SUBJECT} exceeds the {limits.MAX_SUBJECT_BYTES} bytes"
        " limit. Either modify your attribute mapping or the incoming assertion to produce a mapped"
        f" attribute that is less than {limits.MAX_SUBJECT_BYTES} bytes."
    )
    return Check(
        f"{size} bytes",
        _MOST_BYTES,
        Refusal("invalid_request", message, assumed=True),
        "shorten it in the mapping, as with assertion.sub.extract('spiffe://{path}'),"
        " or give the workload a shorter SPIFFE ID",
    )


def _condition(case: Case) -> Check:
    condition, mapped = case.trust.condition, case.mapped
    if condition is None:
        return Check("no condition", "every token of the issuer")
    assert isinstance(mapped, MappedAttributes)
    outcome = condition.truth(condition_roots(case.trust, case.presentation.token.claims, mapped))
    if outcome is True:
        return Check("true", shown(condition.text))
    failed = isinstance(outcome, CelError)
    return Check(
        shown(outcome.message) if isinstance(outcome, CelError) else "false",
        shown(condition.text),
        Refusal(
            "unauthorized_client",
            "The given credential is rejected by the attribute condition.",
            assumed=failed,
        ),
        "guard the claim with has(…) in the condition"
        if failed
        else "let the condition cover this workload, or use another provider for it",
    )


def _service_account(case: Case) -> Check:
    account, mapped, pool = case.trust.service_account, case.mapped, case.trust.pool
    assert account is not None
    assert isinstance(mapped, MappedAttributes)
    wanted = f"{mapped.principal(pool)} or a set of it in {IMPERSONATING_ROLES[0]}"
    if account.policy is None:
        return Check("the policy is not described", shown(wanted))
    identifiers = (mapped.principal(pool), *mapped.principal_sets(pool))
    if not account.disabled and account.policy.lets_impersonate(identifiers):
        return Check("bound", shown(wanted))
    members = sorted(m for b in account.policy.impersonators() for m in b.members)
    message = (
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
    )
    return Check(
        "the account is disabled" if account.disabled else shown(", ".join(members) or "nobody"),
        shown(wanted),
        Refusal("PERMISSION_DENIED", message, status=403, assumed=account.disabled),
        "enable the service account"
        if account.disabled
        else f"grant {IMPERSONATING_ROLES[0]} on {account.email} to {mapped.principal(pool)}",
    )


ATTRIBUTE_RULES: tuple[Rule[Case], ...] = (
    Rule("mapped attributes", f"{_PROVIDER}, attributeMapping", _mapped_type),
    Rule("subject size", f"{_PROVIDER}, attributeMapping", _subject_size),
    Rule("attribute condition", f"{_PROVIDER}, attributeCondition", _condition),
)
ACCOUNT_RULE = Rule("service account", _IMPERSONATION, _service_account)
UNKNOWN_POLICY_RULE = Rule("service account", _IMPERSONATION, _service_account, assumed=True)
