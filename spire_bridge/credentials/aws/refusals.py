"""AWS' refusals as errors: its own code and words, and the clause that is at stake."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from spire_bridge.credentials.answer_text import shown_answer
from spire_bridge.credentials.aws import errors
from spire_bridge.errors import BridgeError

_TYPES: dict[str, type[BridgeError]] = {
    "AccessDenied": errors.AccessDenied,
    "ExpiredToken": errors.ExpiredToken,
    "IDPCommunicationError": errors.IssuerUnreachable,
    "IDPRejectedClaim": errors.RejectedClaim,
    "InvalidIdentityToken": errors.InvalidIdentityToken,
    "MalformedPolicyDocument": errors.InvalidRequest,
    "PackedPolicyTooLarge": errors.InvalidRequest,
    "RegionDisabled": errors.InvalidRequest,
    "RequestLimitExceeded": errors.Throttled,
    "ResourceNotFound": errors.InvalidRequest,
    "Throttling": errors.Throttled,
    "ThrottledException": errors.Throttled,
    "TooManyRequests": errors.Throttled,
    "Validation": errors.InvalidRequest,
    "ValidationError": errors.InvalidRequest,
}


@dataclass(frozen=True, slots=True)
class Clause:
    """The rules of `cloud.aws`, by name, that can lead to a refusal with such words."""

    code: str
    words: str
    rules: tuple[str, ...]


STS = (
    Clause("InvalidIdentityToken", "not a valid JWT", ("token format",)),
    Clause("InvalidIdentityToken", "required claim|Claim is not allowed", ("required claims",)),
    Clause("InvalidIdentityToken", "more than one audience", ("one audience",)),
    Clause("InvalidIdentityToken", "No OpenIDConnect provider", ("identity provider",)),
    Clause("InvalidIdentityToken", "issued in the future", ("time of issue",)),
    Clause("InvalidIdentityToken", "not yet valid", ("not before",)),
    Clause("InvalidIdentityToken", "timestamp", ("time of issue", "not before", "expiry")),
    Clause("InvalidIdentityToken", "verification key", ("number of keys", "signing key")),
    Clause("InvalidIdentityToken", "Login With Amazon", ("provider ID",)),
    Clause("InvalidIdentityToken", "roles claim", ("roles claim",)),
    Clause("InvalidIdentityToken", "tag", ("session tags",)),
    Clause("InvalidIdentityToken", "source identity", ("source identity",)),
    Clause(
        "InvalidIdentityToken",
        "could not be validated",
        ("registered audience", "algorithm", "signature", "required claims"),
    ),
    Clause("ExpiredTokenException", "", ("expiry",)),
    Clause("AccessDenied", "sts:TagSession", ("permission to tag",)),
    Clause("AccessDenied", "sts:SetSourceIdentity", ("permission to set a source identity",)),
    Clause("AccessDenied", "OAuth provider", ("provider ID",)),
    Clause("AccessDenied", "", ("trust policy",)),
    Clause("IDPRejectedClaim", "", ("provider ID",)),
    Clause("IDPCommunicationError", "", ("issuer's documents",)),
    Clause("InternalFailure", "", ("required claims",)),
    Clause("MalformedPolicyDocument", "", ("session policy",)),
    Clause("PackedPolicyTooLarge", "", ("packed size",)),
    Clause("ValidationError", "MaxSessionDuration", ("session duration",)),
    Clause("ValidationError", "is invalid", ("role",)),
    Clause("ValidationError", "policies", ("session policy",)),
    Clause("ValidationError", "", ("request parameters",)),
)

ROLES_ANYWHERE = (
    Clause("AccessDeniedException", "Trust anchor is disabled", ("trust anchor",)),
    Clause("AccessDeniedException", "Profile is disabled", ("profile",)),
    Clause("AccessDeniedException", "Invalid signature", ("signature",)),
    Clause("AccessDeniedException", "Untrusted signing certificate", ("chain",)),
    Clause("AccessDeniedException", "Insufficient certificate", ("leaf",)),
    Clause("AccessDeniedException", "session name", ("session name",)),
    Clause("AccessDeniedException", "session tags", ("attributes",)),
    Clause(
        "AccessDeniedException",
        "",
        ("role", "trust policy", "permission to tag", "permission to set a source identity"),
    ),
    Clause("ResourceNotFoundException", "", ("trust anchor", "profile")),
    Clause("ValidationException", "certificate", ("certificate",)),
    Clause("ValidationException", "DurationSeconds", ("session duration",)),
)


def refusal(
    service: str,
    status: int,
    code: str,
    message: str,
    *,
    clauses: Iterable[Clause],
    look_closer: str,
) -> BridgeError:
    """The error for an answer with this HTTP status, `code` and `message`.

    `look_closer` is the command that says more.
    """
    rules = clause_names(clauses, code, message)
    which = f"{'clause' if len(rules) == 1 else 'one of'}: {', '.join(rules)}; " if rules else ""
    kind = _type(status, code)
    return kind(
        f"{service}: {code}: {shown_answer(message)}", hint=f"{which}to look closer: {look_closer}"
    )


def clause_names(clauses: Iterable[Clause], code: str, message: str) -> tuple[str, ...]:
    """The names of the rules that lead to such a refusal; none for one that is not known."""
    matching = (c for c in clauses if c.code == code and re.search(c.words, message))
    found = next(matching, None)
    return found.rules if found is not None else ()


def _type(status: int, code: str) -> type[BridgeError]:
    known = _TYPES.get(code) or _TYPES.get(code.removesuffix("Exception"))
    if known is not None:
        return known
    if status == 429:
        return errors.Throttled
    return errors.ServiceUnavailable if status >= 500 else errors.AwsRefused
