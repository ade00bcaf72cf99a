"""Whether the caller that STS now knows may have the role, and a session as it wants it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from spire_bridge.cloud.aws.case import API, CAPTURED, ERRORS, GUIDE, PASSED, Case, access_denied
from spire_bridge.cloud.aws.condition import Context
from spire_bridge.cloud.aws.limits import MAX_SESSION_POLICY_ARNS
from spire_bridge.cloud.aws.policy import (
    ASSUME_ROLE_WITH_WEB_IDENTITY,
    SET_SOURCE_IDENTITY,
    TAG_SESSION,
    Caller,
)
from spire_bridge.cloud.aws.web_identity import (
    NOTHING,
    InvalidClaim,
    SessionTags,
    subject,
    texts,
)
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Refusal, Rule

# How many deflated octets of policy and tags a session carries: nobody knows, so this is a guess.
_PACKED_OCTETS = 2_048


def context(case: Case) -> dict[str, tuple[str, ...]]:
    """The condition keys of a request, by which its role's trust policy is evaluated.

    Of the token these are its audience, all audiences, subject, `amr` and `email`: AWS makes no
    key of any other claim of an issuer that it does not know by name.
    """
    provider, claims = case.provider, case.claims
    assert provider is not None
    prefix, now = provider.key_prefix, (str(case.now),)
    values = {
        **provider.context,
        f"{prefix}aud": (case.audience,),
        f"{prefix}oaud": case.audiences,
        f"{prefix}sub": (subject(claims),),
        "aws:currenttime": now,
        "aws:epochtime": now,
        "sts:roleauthorizedbyidp": ("true" if case.carried.roles else "false",),
        "sts:rolesessionname": (case.trust.request.session_name,),
    }
    for name in ("amr", "email"):
        if name in claims:
            values[prefix + name] = texts(claims[name])
    if case.carried is not NOTHING:
        _add_session(values, case)
    return values


def _add_session(values: dict[str, tuple[str, ...]], case: Case) -> None:
    """The keys of what the session is to carry."""
    carried = case.carried.session_tags
    for key, value in carried.tags.items():
        values[f"aws:requesttag/{key.lower()}"] = (value,)
    if carried.tags:
        values["aws:tagkeys"] = tuple(carried.tags)
    if carried.transitive:
        values["sts:transitivetagkeys"] = carried.transitive
    if identity := case.carried.identity:
        values["sts:sourceidentity"] = (identity,)


def _refused(invalid: InvalidClaim, fix: str) -> Check:
    refusal = Refusal("InvalidIdentityToken", str(invalid), assumed=invalid.assumed)
    return Check(shown(invalid.found), "a claim that STS can use", refusal, fix)


def _tags(case: Case) -> Check:
    tags = case.carried.tags
    return _refused(tags, _FIX_TAGS) if isinstance(tags, InvalidClaim) else PASSED


def _source_identity(case: Case) -> Check:
    identity = case.carried.source_identity
    return _refused(identity, _FIX_IDENTITY) if isinstance(identity, InvalidClaim) else PASSED


def _roles(case: Case) -> Check:
    roles = case.carried.roles
    if roles is None:
        return PASSED
    if isinstance(roles, InvalidClaim):
        return _refused(roles, _FIX_ROLES)
    arn = case.trust.role_arn
    if arn in roles or not arn:
        return Check(shown(arn), "a role of the roles claim", assumed=not arn)
    message = "The target role ARN is not present in the roles claim of the identity token"
    refusal = Refusal("InvalidIdentityToken", message)
    return Check(shown(list(roles)), shown(arn), refusal, _FIX_ROLES)


_FIX_ROLES = (
    "have the issuer list the role in the claim https://aws.amazon.com/roles, or leave it out"
)
_FIX_TAGS = "have the issuer write tags as the IAM User Guide shows, each with one text in a list"
_FIX_IDENTITY = "have the issuer write 2 to 64 letters, digits and any of +=,.@- as source identity"


def _permitted(action: str, is_wanted: Callable[[Case], bool], case: Case) -> Check:
    """Whether the trust policy allows an action, if the request needs it at all."""
    if not is_wanted(case):
        return PASSED
    assert case.provider is not None
    caller = Caller("Federated", case.provider.arn)
    values: Context = context(case)
    decision = case.trust.role.policy.decide(action, caller, values)
    if decision.allowed:
        return Check(decision.found, action, assumed=decision.assumed)
    refusal = access_denied(
        f"Not authorized to perform {action}", assumed=action != ASSUME_ROLE_WITH_WEB_IDENTITY
    )
    fix = f"change the role's trust policy so that it allows {action} to this subject"
    return Check(
        shown(decision.found), shown(decision.wanted), refusal, fix, assumed=decision.assumed
    )


def _has_tags(case: Case) -> bool:
    return bool(case.carried.session_tags.tags)


def _has_identity(case: Case) -> bool:
    return bool(case.carried.identity)


def _duration(case: Case) -> Check:
    wanted, role = case.trust.request.duration_seconds, case.trust.role
    found, limit = f"{wanted} s", f"at most {role.max_session_seconds} s"
    assumed = not role.max_session_known
    if wanted <= role.max_session_seconds:
        return Check(found, limit, assumed=assumed)
    message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    refusal = Refusal("ValidationError", message, assumed=True)
    fix = "ask for a shorter session, or raise the role's MaxSessionDuration"
    return Check(found, limit, refusal, fix, assumed)


def _session_policy(case: Case) -> Check:
    request = case.trust.request
    if len(request.policy_arns) > MAX_SESSION_POLICY_ARNS:
        count = len(request.policy_arns)
        message = f"1 validation error detected: {count} policies at 'policyArns'"
        refusal = Refusal("ValidationError", message, assumed=True)
        return Check(f"{count} ARNs", f"at most {MAX_SESSION_POLICY_ARNS}", refusal, _FIX_POLICY)
    if not request.policy or _is_policy(request.policy):
        return PASSED
    refusal = Refusal("MalformedPolicyDocument", "The policy is not in the valid JSON format.")
    refusal = Refusal(refusal.code, refusal.message, assumed=True)
    return Check("no policy document", "a policy document in JSON", refusal, _FIX_POLICY)


_FIX_POLICY = "give a session policy that IAM would take, or none"


def _is_policy(text: str) -> bool:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "Statement" in document


def _packed_size(case: Case) -> Check:
    request, carried = case.trust.request, case.carried.session_tags
    if not (request.policy or request.policy_arns or carried.tags):
        return PASSED
    percent = packed_percent(request.policy, request.policy_arns, carried)
    found, wanted = f"about {percent} %", "at most 100 %"
    if percent <= 100:
        return Check(found, wanted)
    what = "session tags" if carried.tags else "policy"
    message = f"Packed size of {what} consumes {percent}% of allotted space."
    refusal = Refusal("PackedPolicyTooLarge", message, assumed=True)
    return Check(found, wanted, refusal, "send fewer or shorter session tags and policies")


def packed_percent(policy: str, policy_arns: tuple[str, ...], carried: SessionTags) -> int:
    """How much of a session's room for policies and tags is taken, by a guess."""
    text = json.dumps([policy, policy_arns, dict(carried.tags)])
    return len(zlib.compress(text.encode())) * 100 // _PACKED_OCTETS


def rules() -> Iterator[Rule[Case]]:
    """The rules of this module, in STS' order."""
    policy = f"{GUIDE}: IAM JSON policy elements; available keys for AWS OIDC federation"
    session = f"{GUIDE}: Pass session tags in AWS STS"
    yield Rule("roles claim", CAPTURED, _roles)
    yield Rule("session tags", CAPTURED, _tags)
    yield Rule("source identity", CAPTURED, _source_identity)
    yield Rule(
        "trust policy", policy, partial(_permitted, ASSUME_ROLE_WITH_WEB_IDENTITY, lambda _: True)
    )
    yield Rule("permission to tag", session, partial(_permitted, TAG_SESSION, _has_tags))
    yield Rule(
        "permission to set a source identity",
        f"{GUIDE}: Monitor and control actions taken with assumed roles",
        partial(_permitted, SET_SOURCE_IDENTITY, _has_identity),
    )
    yield Rule("session duration", f"{API}, DurationSeconds", _duration)
    yield Rule("session policy", f"{API}, Policy", _session_policy, assumed=True)
    yield Rule("packed size", ERRORS, _packed_size, assumed=True)
