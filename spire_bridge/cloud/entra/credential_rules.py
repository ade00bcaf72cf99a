"""What Entra checks before it looks at the issuer's keys: the request, and who is trusted."""

from __future__ import annotations

from spire_bridge.cloud.entra import limits, refusals
from spire_bridge.cloud.entra.case import Case
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Rule

_CODES = "Microsoft Entra: authentication and authorization error codes"
_CREDENTIALS = "Microsoft Graph: federatedIdentityCredential"

_ENTRA_ISSUERS = ("https://login.microsoftonline.com/", "https://sts.windows.net/")


def _tenant(case: Case) -> Check:
    asked, there = case.trust.request.tenant, case.trust.tenant
    if not asked or not there or asked == there:
        return Check(shown(asked or there) or "not described", shown(there) or "any")
    return Check(
        shown(asked),
        shown(there),
        refusals.unknown_tenant(asked),
        "set AZURE_TENANT_ID of the workload to the application's tenant",
    )


def _application(case: Case) -> Check:
    asked, there = case.trust.request.client_id, case.trust.application
    if not asked or not there or asked == there:
        return Check(shown(asked or there) or "not described", shown(there) or "any")
    return Check(
        shown(asked),
        shown(there),
        refusals.unknown_application(asked, case.trust.request.tenant or case.trust.tenant),
        "set AZURE_CLIENT_ID of the workload to the application's appId",
    )


def _token(case: Case) -> Check:
    defect = case.presentation.token.defect
    if not defect:
        return Check("a JWT", "a JWT")
    return Check(defect, "a JWT", refusals.malformed(), "present a JWT-SVID as client_assertion")


def _algorithm(case: Case) -> Check:
    algorithm = case.presentation.token.algorithm
    if algorithm in limits.ALGORITHMS:
        return Check(shown(algorithm), "RS256")
    return Check(
        shown(algorithm),
        "RS256",
        refusals.unsupported_algorithm(algorithm or ""),
        "set jwt_key_type of SPIRE to rsa-2048",
    )


def _configured(case: Case) -> Check:
    trust = case.trust
    wanted = "at least one federated credential"
    if trust.credentials:
        return Check(str(len(trust.credentials)), wanted)
    return Check(
        "none",
        wanted,
        refusals.no_credentials(trust.application, trust.display_name),
        "add a federated identity credential to the application",
    )


def _kind(case: Case) -> Check:
    wanted = "a token of an external issuer"
    if case.issuer and case.issuer == case.trust.application:
        return Check(
            "an assertion of the application itself",
            wanted,
            refusals.application_key_unknown(),
            "set jwt_issuer of SPIRE to the issuer's URL",
        )
    if case.issuer.startswith(_ENTRA_ISSUERS):
        return Check(
            "a token of Entra",
            wanted,
            refusals.own_token(),
            "present a token of SPIRE",
        )
    return Check("a token of another issuer", wanted)


def _issuer(case: Case) -> Check:
    if case.of_issuer:
        return _exactly(case.issuer)
    wanted = shown(" or ".join(sorted({c.issuer for c in case.trust.credentials})))
    return Check(
        shown(case.issuer) or "no issuer",
        wanted,
        refusals.no_match(700211, "issuer", case.issuer, assumed=not case.issuer),
        "make SPIRE's jwt_issuer and the credential's issuer equal, to the trailing slash",
    )


def _subject(case: Case) -> Check:
    if case.of_subject:
        return _exactly(case.subject)
    subjects = [c.subject for c in case.of_issuer if not c.expression]
    wanted = shown(" or ".join(subjects)) or "no subject: the credential is a flexible one"
    found = shown(case.subject) or "no subject"
    if not subjects:
        return Check(
            found,
            wanted,
            refusals.no_match(700213, "subject", case.subject, assumed=True),
            "use a subject: flexible expressions are for issuers of GitHub, GitLab and"
            " Terraform Cloud only",
        )
    folded = case.subject.casefold()
    if any(subject.casefold() == folded for subject in subjects):
        fix = "write the subject in the credential with the case of the SPIFFE ID"
        return Check(found, wanted, refusals.case_differs(case.subject), fix)
    return Check(
        found,
        wanted,
        refusals.no_match(700213, "subject", case.subject, assumed=not case.subject),
        "add a federated identity credential for this SPIFFE ID",
    )


def _audience(case: Case) -> Check:
    if case.of_audience:
        return _exactly(case.of_audience[0].audiences[0])
    audiences = ", ".join(case.presentation.token.audiences())
    accepted = [c.audiences[0] for c in case.of_subject]
    found, wanted = shown(audiences) or "no audience", shown(" or ".join(accepted))
    several = len(case.presentation.token.audiences()) != 1
    return Check(
        found,
        wanted,
        refusals.no_match(700212, "audience", audiences, assumed=several),
        f"fetch the SVID with the audience {shown(accepted[0])}",
    )


def _exactly(value: str) -> Check:
    text = shown(value)
    return Check(text, text)


CREDENTIAL_RULES: tuple[Rule[Case], ...] = (
    Rule("tenant", _CODES, _tenant),
    Rule("application", _CODES, _application),
    Rule("token", _CODES, _token),
    Rule("signing algorithm", _CODES, _algorithm),
    Rule("federated credentials", _CREDENTIALS, _configured),
    Rule("kind of token", _CODES, _kind),
    Rule("issuer", f"{_CREDENTIALS}, issuer", _issuer),
    Rule("subject", f"{_CREDENTIALS}, subject", _subject),
    Rule("audience", f"{_CREDENTIALS}, audiences", _audience),
)
