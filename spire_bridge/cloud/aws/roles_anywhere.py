"""IAM Roles Anywhere CreateSession: what it checks of a certificate, in its order and its words.

A model made from AWS' documentation and from what users of its credential helper report. The
order is inferred; what no public source tells is marked as assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from spire_bridge.cloud.aws.arn import session_arn
from spire_bridge.cloud.aws.case import whole_seconds
from spire_bridge.cloud.aws.certificate_chain import PresentedChain, extension, is_trusted
from spire_bridge.cloud.aws.certificate_tags import certificate_tags, common_name
from spire_bridge.cloud.aws.condition import Context
from spire_bridge.cloud.aws.limits import MAX_SESSION_SECONDS, MIN_SESSION_SECONDS
from spire_bridge.cloud.aws.policy import (
    ASSUME_ROLE,
    SET_SOURCE_IDENTITY,
    TAG_SESSION,
    Caller,
)
from spire_bridge.cloud.aws.roles_anywhere_trust import (
    RolesAnywhereTrust,
    SessionRequest,
    parse_trust,
)
from spire_bridge.cloud.aws.web_identity import is_tag_value
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Refusal, Rule, Verdict, judge

__all__ = [
    "RULES",
    "TITLE",
    "PresentedChain",
    "RolesAnywhereTrust",
    "SessionRequest",
    "evaluate",
    "parse_trust",
]

TITLE = "IAM Roles Anywhere CreateSession"

_GUIDE = "IAM Roles Anywhere User Guide"
_CALLER = Caller("Service", "rolesanywhere.amazonaws.com")
_WEAK = (hashes.MD5, hashes.SHA1)


@dataclass(frozen=True, slots=True)
class Case:
    """A chain for a role at a moment, in seconds since the epoch, and its attributes as tags."""

    chain: PresentedChain
    trust: RolesAnywhereTrust
    now: float
    tags: dict[str, str]
    common_name: str


def evaluate(chain: PresentedChain, trust: RolesAnywhereTrust, now: float) -> Verdict:
    """What Roles Anywhere would answer to this certificate for this role. Never raises."""
    tags = certificate_tags(chain.leaf, trust.profile.mapping) if chain.certificates else {}
    name = common_name(chain.leaf) if chain.certificates else ""
    return judge(TITLE, trust.name, RULES, Case(chain, trust, now, tags, name), identity)


def identity(case: Case) -> dict[str, Any]:
    """The session that results; `Arn` is the assumed role's."""
    trust, leaf = case.trust, case.chain.leaf
    session_name = trust.request.session_name or f"{leaf.serial_number:x}"
    session: dict[str, Any] = {
        "Arn": session_arn(trust.role_arn, session_name),
        "DurationSeconds": trust.duration_seconds,
        "PrincipalTags": dict(case.tags),
    }
    if case.common_name:
        session["SourceIdentity"] = case.common_name
    return session


def _denied(message: str, *, assumed: bool = False) -> Refusal:
    return Refusal("AccessDeniedException", message, 403, assumed)


def _enabled(what: str, is_enabled: Callable[[Case], bool], case: Case) -> Check:
    if is_enabled(case):
        return Check("enabled", "enabled")
    refusal = _denied(f"{what.capitalize()} is disabled", assumed=True)
    return Check("disabled", "enabled", refusal, f"enable the {what}")


def _certificate(case: Case) -> Check:
    if not case.chain.defect:
        return Check(f"{len(case.chain.certificates)} certificates", "a leaf, and intermediates")
    refusal = Refusal("ValidationException", "Invalid certificate", assumed=True)
    fix = "send the X.509-SVID: the leaf, then its intermediates"
    return Check(case.chain.defect, "a leaf, and intermediates", refusal, fix)


def _signature(case: Case) -> Check:
    if case.chain.is_signed:
        return Check("by the leaf's key", "by the leaf's key")
    fix = "sign the request with the private key of the leaf that X-Amz-X509 carries"
    return Check("not by the leaf's key", "by the leaf's key", _denied("Invalid signature"), fix)


def _chain(case: Case) -> Check:
    anchors = case.trust.anchor.certificates
    wanted = "a valid path to a certificate of the trust anchor, signed with SHA-256 or better"
    if anchors is None:
        return Check("the anchor's private CA is not described", wanted, assumed=True)
    is_weak = _is_weak(case.chain.leaf)
    if not is_weak and is_trusted(case.chain.certificates, anchors, case.now):
        return Check("a valid path", wanted)
    fix = (
        "update the anchor with SPIRE's X.509 bundle, renew the SVID, and send intermediates along"
    )
    found = "a signature with a weak hash" if is_weak else "no valid path"
    return Check(found, wanted, _denied("Untrusted signing certificate"), fix)


def _leaf(case: Case) -> Check:
    wrong = next(_faults(case.chain.leaf), "")
    wanted = "version 3, no CA, key usage digitalSignature"
    if not wrong:
        return Check("a leaf", wanted)
    refusal = _denied("Untrusted certificate. Insufficient certificate", assumed=True)
    return Check(wrong, wanted, refusal, "use an X.509-SVID, whose leaf is as AWS wants it")


def _faults(leaf: x509.Certificate) -> Iterator[str]:
    constraints = extension(leaf, x509.BasicConstraints)
    usage = extension(leaf, x509.KeyUsage)
    if leaf.version is not x509.Version.v3:
        yield "a certificate of version 1"
    if constraints is not None and constraints.ca:
        yield "a CA"
    if usage is None or not usage.digital_signature:
        yield "no key usage digitalSignature"


def _is_weak(leaf: x509.Certificate) -> bool:
    try:
        return isinstance(leaf.signature_hash_algorithm, _WEAK)
    except UnsupportedAlgorithm:
        return True


def _role(case: Case) -> Check:
    arn, listed = case.trust.role_arn, case.trust.profile.role_arns
    if arn in listed:
        return Check(shown(arn), "a role of the profile")
    refusal = _denied(f"Unable to assume role for {arn}", assumed=True)
    fix = "add the role to the profile's roleArns"
    return Check(shown(arn) or "no role", shown(", ".join(sorted(listed))), refusal, fix)


def _session_name(case: Case) -> Check:
    name = case.trust.request.session_name
    if not name or case.trust.profile.accepts_session_name:
        return Check(shown(name) or "none", "none, or a profile that accepts it")
    refusal = _denied("Role session name is not accepted by the profile", assumed=True)
    fix = "leave roleSessionName out, or set acceptRoleSessionName in the profile"
    return Check(shown(name), "none, or a profile that accepts it", refusal, fix)


def _attributes(case: Case) -> Check:
    wrong = next((key for key, value in case.tags.items() if not is_tag_value(value)), None)
    wanted = "values of at most 256 letters, digits, spaces and any of _.:/=+-@"
    if wrong is None:
        return Check(f"{len(case.tags)} tags", wanted)
    message = (
        f"Unable to assume role for {case.trust.role_arn}."
        " Some attributes failed to be mapped into session tags."
    )
    fix = f"map other attributes in the profile than {wrong}"
    return Check(shown(f"{wrong}: {case.tags[wrong]}"), wanted, _denied(message), fix)


def context(case: Case) -> dict[str, tuple[str, ...]]:
    """The condition keys of a request, by which the role's trust policy is evaluated."""
    now = str(whole_seconds(case.now))
    values: dict[str, tuple[str, ...]] = {
        f"aws:principaltag/{key.lower()}": (value,) for key, value in case.tags.items()
    }
    values |= {f"aws:requesttag/{key.lower()}": (value,) for key, value in case.tags.items()}
    values |= {
        "aws:currenttime": (now,),
        "aws:epochtime": (now,),
        "aws:securetransport": ("true",),
    }
    if case.trust.anchor.arn:
        values["aws:sourcearn"] = (case.trust.anchor.arn,)
    if case.tags:
        values["aws:tagkeys"] = tuple(case.tags)
    if case.common_name:
        values["sts:sourceidentity"] = (case.common_name,)
    return values


def _permitted(action: str, is_wanted: Callable[[Case], bool], case: Case) -> Check:
    if not is_wanted(case):
        return Check()
    values: Context = context(case)
    decision = case.trust.role.policy.decide(action, _CALLER, values)
    found, wanted = shown(decision.found), shown(decision.wanted)
    if decision.allowed:
        return Check(found, wanted, assumed=decision.assumed)
    refusal = _denied(f"Unable to assume role for {case.trust.role_arn}", assumed=True)
    fix = f"change the role's trust policy so that it allows {action} to this certificate"
    return Check(found, wanted, refusal, fix, decision.assumed)


def _duration(case: Case) -> Check:
    seconds, longest = case.trust.duration_seconds, case.trust.role.max_session_seconds
    wanted = f"{MIN_SESSION_SECONDS} to {min(longest, MAX_SESSION_SECONDS)} s"
    assumed = not case.trust.role.max_session_known
    if MIN_SESSION_SECONDS <= seconds <= min(longest, MAX_SESSION_SECONDS):
        return Check(f"{seconds} s", wanted, assumed=assumed)
    message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    refusal = Refusal("ValidationException", message, assumed=True)
    fix = "ask for a session that the role allows"
    return Check(f"{seconds} s", wanted, refusal, fix, assumed)


_POLICY = f"{_GUIDE}: Trust policy"

RULES = (
    Rule(
        "trust anchor",
        f"{_GUIDE}: Trust anchors",
        partial(_enabled, "trust anchor", lambda case: case.trust.anchor.enabled),
    ),
    Rule(
        "profile",
        f"{_GUIDE}: Profiles",
        partial(_enabled, "profile", lambda case: case.trust.profile.enabled),
    ),
    Rule("certificate", f"{_GUIDE}: CreateSession", _certificate),
    Rule("signature", f"{_GUIDE}: The signing process", _signature),
    Rule("chain", f"{_GUIDE}: Trust model", _chain),
    Rule("leaf", f"{_GUIDE}: Trust model, signature verification", _leaf),
    Rule("role", f"{_GUIDE}: Profiles", _role),
    Rule("session name", f"{_GUIDE}: CreateSession, roleSessionName", _session_name),
    Rule("attributes", f"{_GUIDE}: Attribute mapping", _attributes),
    Rule("trust policy", _POLICY, partial(_permitted, ASSUME_ROLE, lambda _: True)),
    Rule("permission to tag", _POLICY, partial(_permitted, TAG_SESSION, lambda c: bool(c.tags))),
    Rule(
        "permission to set a source identity",
        _POLICY,
        partial(_permitted, SET_SOURCE_IDENTITY, lambda c: bool(c.common_name)),
    ),
    Rule("session duration", f"{_GUIDE}: CreateSession, durationSeconds", _duration),
)
