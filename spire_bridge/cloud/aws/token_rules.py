"""What STS checks of a request and its token before it looks for a key."""

from __future__ import annotations

from collections.abc import Iterator

from spire_bridge.cloud.aws.case import (
    API,
    CAPTURED,
    GUIDE,
    NO_JWT,
    NOT_VALIDATED,
    PASSED,
    Case,
    access_denied,
    invalid_token,
)
from spire_bridge.cloud.aws.limits import CLOCK_SKEW_SECONDS, MAX_TOKEN_CHARACTERS
from spire_bridge.cloud.aws.request_parameters import token_fault, validation_error
from spire_bridge.cloud.aws.web_identity import timestamp
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Refusal, Rule
from spire_bridge.jose.compact import MAX_TOKEN_BYTES

_REQUIRED = ("iss", "sub", "aud", "iat", "exp")
_BAD_TIME = invalid_token("Invalid timestamp in token claims.")


def _request(case: Case) -> Check:
    constraints = case.trust.request.faults
    too_long = token_fault(case.presentation.token.length)
    if not constraints and not too_long:
        return PASSED
    constraints = (*constraints, too_long) if too_long else constraints
    message = validation_error(constraints)
    return Check(
        shown(constraints[0]),
        "parameters within the limits of the API",
        Refusal("ValidationError", message, assumed=True),
        "change the request; a SPIFFE ID is no session name, for its colons and slashes",
    )


def _role_arn(case: Case) -> Check:
    arn = case.trust.role_arn
    if not arn:
        return Check("not described", "the role's ARN", assumed=True)
    if case.trust.session_arn:
        return Check(arn, "the ARN of a role")
    refusal = Refusal("ValidationError", f"{arn} is invalid", assumed=True)
    return Check(shown(arn), "the ARN of a role", refusal, "give RoleArn as IAM shows it")


_PROVIDER_IDS = {
    "www.amazon.com": invalid_token("Provided Token is not a Login With Amazon token"),
    "graph.facebook.com": Refusal(
        "IDPRejectedClaim",
        "graph.facebook.com: graph.facebook.com responded with HTTP/1.1 400 Bad Request",
        403,
    ),
}
_UNKNOWN_PROVIDER_ID = access_denied(
    "Unrecognized OAuth provider. Do not include a provider parameter"
    " when submitting OpenIDConnect ID tokens",
    assumed=True,
)


def _provider_id(case: Case) -> Check:
    provider_id = case.trust.request.provider_id
    if not provider_id:
        return PASSED
    refusal = _PROVIDER_IDS.get(provider_id, _UNKNOWN_PROVIDER_ID)
    return Check(
        shown(provider_id), "no ProviderId", refusal, "leave ProviderId out of the request"
    )


def _format(case: Case) -> Check:
    token = case.presentation.token
    if "crit" in token.header:
        found = f"crit {shown(token.header['crit'])}"
        return Check(found, "no critical extensions", NO_JWT, "have the token signed without crit")
    if not token.defect:
        return PASSED
    # Between the size that is read here and the one that STS takes, its answer is unknown.
    unread = MAX_TOKEN_BYTES < token.length <= MAX_TOKEN_CHARACTERS
    return Check(
        token.defect,
        "a signed JWT in compact form",
        NO_JWT,
        "send the JWT-SVID itself, all three parts of it and nothing else",
        unread,
    )


def _claims(case: Case) -> Check:
    claims = case.claims
    for name in _REQUIRED:
        if name not in claims:
            return Check(
                f"no {name}",
                ", ".join(_REQUIRED),
                invalid_token(f"Missing a required claim: {name}"),
                _HOW_TO_CLAIM.get(name, f"have the token issued with {name}"),
            )
    return _usable_claims(case)


_HOW_TO_CLAIM = {"iss": "set jwt_issuer in the SPIRE server's configuration"}


def _usable_claims(case: Case) -> Check:
    """Claims that are there, and yet are of no kind that STS takes."""
    subject, audience = case.claims["sub"], case.claims["aud"]
    if subject is None:
        message = "Unknown error validating third-party token"
        refusal = Refusal("InternalFailure", message, 500)
        return Check("sub is null", "a text", refusal, "have the token issued with a subject")
    if isinstance(subject, bool | list | dict):
        return Check(
            f"sub is {shown(subject)}", "a text", _assumed(NOT_VALIDATED), "make sub a text"
        )
    if not case.audiences:
        refusal = invalid_token("Claim is not allowed to be empty: aud")
        refusal = refusal if audience == [] else _assumed(refusal)
        return Check(f"aud is {shown(audience)}", "an audience", refusal, "ask for one audience")
    return PASSED


def _assumed(refusal: Refusal) -> Refusal:
    return Refusal(refusal.code, refusal.message, refusal.status, assumed=True)


_ONE_AUDIENCE = Check("one audience", "one audience, or azp")
_TOO_MANY_AUDIENCES = invalid_token(
    "Token audience contains more than one audience while authorized party is not present"
)


def _one_audience(case: Case) -> Check:
    if "azp" in case.claims:
        return Check(f"azp {shown(case.claims['azp'])}", "one audience, or azp")
    if len(case.audiences) <= 1:
        return _ONE_AUDIENCE
    return Check(
        shown(list(case.audiences)),
        "one audience, or azp",
        _TOO_MANY_AUDIENCES,
        "ask for a token of its own with the single audience that AWS has registered",
    )


def _provider(case: Case) -> Check:
    trust, provider = case.trust, case.provider
    assumed = not trust.is_provider_described
    if provider is not None and _in_account_of_role(case):
        return Check(shown(case.issuer), shown(provider.issuer), assumed=assumed)
    registered = shown(", ".join(trust.providers) or "no provider")
    return Check(
        shown(case.issuer) or "no text",
        registered,
        invalid_token(f"No OpenIDConnect provider found in your account for {case.issuer}"),
        _how_to_register(case),
        assumed,
    )


def _in_account_of_role(case: Case) -> bool:
    assert case.provider is not None
    role, provider = case.trust.account, case.provider.account
    return role == provider or not role or not provider


def _how_to_register(case: Case) -> str:
    bare = case.issuer.rstrip("/")
    if any(known.rstrip("/") == bare and known != case.issuer for known in case.trust.providers):
        return "make issuer and provider the same to the character; they differ in the last slash"
    return f"create an IAM OIDC provider for {shown(case.issuer)} in the role's account"


def _issued(case: Case) -> Check:
    """The times of issue and the earliest use, with five minutes of tolerance."""
    latest = case.now + CLOCK_SKEW_SECONDS
    issued_at = timestamp(case.claims.get("iat"))
    if issued_at is None:
        return _no_time("iat", case)
    if issued_at > latest:
        refusal = invalid_token(f"Token issued in the future: {issued_at}")
        return Check(f"iat {issued_at}", f"at most {latest}", refusal, _CLOCKS)
    return Check(f"iat {issued_at}", f"at most {latest}")


_CLOCKS = "set the clocks of the SPIRE server and of the caller; AWS tolerates five minutes"


def _no_time(name: str, case: Case) -> Check:
    found = f"{name} {shown(case.claims.get(name))}"
    return Check(found, "whole seconds", _BAD_TIME, f"have {name} issued as whole seconds")


def _not_before(case: Case) -> Check:
    if "nbf" not in case.claims:
        return PASSED
    latest = case.now + CLOCK_SKEW_SECONDS
    not_before = timestamp(case.claims["nbf"])
    if not_before is None:
        return _no_time("nbf", case)
    if not_before <= latest:
        return Check(f"nbf {not_before}", f"at most {latest}")
    message = (
        f"Token not yet valid: current date/time {latest} must be after or equal to"
        f" the not-before date/time {not_before}"
    )
    return Check(f"nbf {not_before}", f"at most {latest}", invalid_token(message), _CLOCKS)


def _expiry(case: Case) -> Check:
    earliest = case.now - CLOCK_SKEW_SECONDS
    expires_at = timestamp(case.claims.get("exp"))
    if expires_at is None:
        return _no_time("exp", case)
    if expires_at > earliest:
        return Check(f"exp {expires_at}", f"after {earliest}")
    message = (
        f"Token expired: current date/time {earliest} must be before"
        f" the expiration date/time {expires_at}"
    )
    refusal = Refusal("ExpiredTokenException", message)
    fix = "fetch a fresh token for each call, and keep a cached one no longer than its exp"
    return Check(f"exp {expires_at}", f"after {earliest}", refusal, fix)


def _registered_audience(case: Case) -> Check:
    assert case.provider is not None
    client_ids = case.provider.client_ids
    audience = case.audience
    if client_ids is None:
        wanted = f"a client ID of the provider, which is not described: it must be {audience}"
        return Check(shown(audience), shown(wanted), assumed=True)
    if audience in client_ids:
        return Check(shown(audience), "a client ID of the provider")
    return Check(
        shown(audience) or "no text",
        shown(", ".join(sorted(client_ids)) or "no client ID is registered"),
        NOT_VALIDATED,
        f"ask for a registered audience, or add {shown(audience)} to the provider's client IDs",
    )


def rules() -> Iterator[Rule[Case]]:
    """The rules of this module, in STS' order."""
    yield Rule("request parameters", API, _request)
    yield Rule("role", f"{API}, RoleArn", _role_arn)
    yield Rule("provider ID", f"{API}, ProviderId; {CAPTURED}", _provider_id)
    yield Rule("token format", CAPTURED, _format)
    yield Rule("required claims", CAPTURED, _claims)
    yield Rule("one audience", CAPTURED, _one_audience)
    yield Rule("identity provider", f"{GUIDE}: Create an OIDC identity provider", _provider)
    yield Rule("time of issue", CAPTURED, _issued)
    yield Rule("not before", CAPTURED, _not_before)
    yield Rule("expiry", CAPTURED, _expiry)
    yield Rule("registered audience", CAPTURED, _registered_audience)
