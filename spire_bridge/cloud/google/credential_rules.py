"""What Google checks of the request and the token before it looks at who it is about."""

from __future__ import annotations

import re
from functools import lru_cache

from spire_bridge.cloud.google import limits
from spire_bridge.cloud.google.case import Case
from spire_bridge.cloud.google.trust import RESOURCE_PREFIX
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Refusal, Rule

_STS = "Google Cloud STS v1: token"
_PROVIDER = "Google Cloud IAM: WorkloadIdentityPoolProvider"
_MEASURED = "WIF with a self-held OIDC key: real-GCP measurements"

_AUDIENCE = re.compile(
    RESOURCE_PREFIX
    + r"projects/[0-9]+/locations/global/workloadIdentityPools/[^/]+/providers/[^/]+"
)
_FULL_NAME = (
    f"{RESOURCE_PREFIX}projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/…"
)
_ALGORITHMS = " or ".join(sorted(limits.ALGORITHMS))
_MOST_AHEAD = f"at most {limits.MAX_CLOCK_SKEW_SECONDS} s ahead"
_MOST_AGO = f"at most {limits.MAX_CLOCK_SKEW_SECONDS} s ago"
_P256 = ("EC", "P-256")
_BAD_SIGNATURE = "Unable to verify the ID Token signature."


def _exchange_audience(case: Case) -> Check:
    audience = case.trust.exchange_audience
    is_own = audience == RESOURCE_PREFIX + case.trust.provider  # whose form parse_trust looked at
    if is_own or _AUDIENCE.fullmatch(audience):
        return Check(shown(audience), _FULL_NAME)
    message = (
        'Invalid value for "audience". This value should be the full resource name of the Identity'
        " Provider. See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for"
        " the list of possible formats."
    )
    return Check(
        shown(audience),
        _FULL_NAME,
        Refusal("invalid_request", message),
        "write the provider's full name, with the project's number, as audience of the credential"
        " configuration",
    )


def _provider(case: Case) -> Check:
    trust = case.trust
    wanted = f"{trust.provider}, active"
    is_named = trust.exchange_audience.removeprefix(RESOURCE_PREFIX) == trust.provider
    if is_named and trust.enabled:
        return Check("active", wanted)
    message = (
        'The target service indicated by the "audience" parameters is invalid. This might either be'
        " because the pool or provider is disabled or deleted or because it doesn't exist."
    )
    return Check(
        "disabled or deleted" if is_named else shown(trust.exchange_audience),
        wanted,
        Refusal("invalid_target", message),
        "enable the provider" if is_named else "name this provider in the credential configuration",
    )


def _token(case: Case) -> Check:
    defect = case.presentation.token.defect
    if not defect:
        return Check("a JWT", "a JWT")
    return Check(
        defect,
        "a JWT",
        Refusal("invalid_grant", "Unable to parse the ID Token.", assumed=True),
        "present a JWT-SVID as subject token",
    )


def _issuer(case: Case) -> Check:
    issuer, wanted = case.presentation.token.text("iss"), case.trust.issuer
    if issuer == wanted:
        return Check(shown(issuer), shown(wanted))
    message = (
        f"The issuer in ID Token {issuer or ''} does not match the expected one in config: {wanted}"
    )
    return Check(
        shown(issuer),
        shown(wanted),
        Refusal("invalid_grant", message, assumed=issuer is None),
        "make SPIRE's jwt_issuer and the provider's issuerUri equal, to the trailing slash",
    )


def _algorithm(case: Case) -> Check:
    algorithm = case.presentation.token.algorithm
    if algorithm in limits.ALGORITHMS:
        return Check(algorithm, _ALGORITHMS)
    return Check(
        shown(algorithm),
        _ALGORITHMS,
        Refusal("invalid_grant", _BAD_SIGNATURE, assumed=True),
        "set jwt_key_type of SPIRE to rsa-2048 or ec-p256",
    )


def _signing_key(case: Case) -> Check:
    key_id = case.presentation.token.key_id
    refusal = Refusal("invalid_grant", "Error connecting to the given credential's issuer.")
    if case.documents.problem:
        return Check(
            case.documents.problem,
            "the issuer's keys",
            refusal,
            "let Google reach the issuer, or upload its keys to the provider (jwksJson)",
        )
    if case.key is None:
        fix = (
            "upload the issuer's present keys to the provider (jwksJson)"
            if case.trust.uploaded_keys
            else "publish the key before tokens are signed with it"
        )
        found = f"kid {shown(key_id)}" if key_id is not None else "no kid"
        return Check(found, "a key of the issuer", refusal, fix)
    kind = (case.key.get("kty"), case.key.get("crv"))
    if kind[0] == "RSA" or kind == _P256:
        return Check(f"kid {shown(key_id)}", "a key of the issuer")
    return Check(
        shown(" ".join(str(part) for part in kind if part)),
        "an RSA key, or EC on P-256",
        Refusal("invalid_grant", "Only RSA, EC key types are supported", assumed=True),
        "set jwt_key_type of SPIRE to rsa-2048 or ec-p256",
    )


def _signature(case: Case) -> Check:
    presentation = case.presentation
    if case.key is not None and presentation.is_signed_with(presentation.token, case.key):
        return Check("verified", "by the key of that kid")
    return Check(
        "not verified",
        "by the key of that kid",
        Refusal("invalid_grant", _BAD_SIGNATURE),
        "publish the key that signs under its own kid: two keys must not share one",
    )


def _audience(case: Case) -> Check:
    audiences, allowed = case.presentation.token.audiences(), case.trust.audiences
    wanted = _either(allowed)
    for audience in audiences:
        if audience in allowed:
            return Check(shown(audience), wanted)
    listed = ", ".join(audiences)
    message = f"The audience in ID Token [{listed}] does not match the expected audience."
    return Check(
        shown(listed) or "no audience",
        wanted,
        Refusal("invalid_grant", message, assumed=len(audiences) != 1),
        f"fetch the SVID with the audience {shown(allowed[0])}",
    )


@lru_cache(maxsize=1024)
def _either(audiences: tuple[str, ...]) -> str:
    return shown(" or ".join(audiences))


def _issued(case: Case) -> Check:
    issued_at = case.presentation.token.time("iat")
    latest = case.presentation.now + limits.MAX_CLOCK_SKEW_SECONDS
    if issued_at is not None and issued_at <= latest:
        return Check(_seconds(issued_at), _MOST_AHEAD)
    if issued_at is None:
        return Check(
            "no iat", _MOST_AHEAD, _stale(case, assumed=True), "sign tokens with the claim iat"
        )
    # 60 s passed and 119 s did not; where the line is between them was not measured.
    assumed = issued_at < latest + 59
    return Check(
        f"{issued_at - case.presentation.now:.0f} s ahead",
        _MOST_AHEAD,
        _stale(case, assumed=assumed),
        "set the clock of the SPIRE server",
    )


def _expiry(case: Case) -> Check:
    expires_at = case.presentation.token.time("exp")
    earliest = case.presentation.now - limits.MAX_CLOCK_SKEW_SECONDS
    if expires_at is not None and expires_at > earliest:
        return Check(_seconds(expires_at), _MOST_AGO)
    return Check(
        "no exp" if expires_at is None else f"{case.presentation.now - expires_at:.0f} s ago",
        _MOST_AGO,
        _stale(case, assumed=expires_at is None),
        "fetch a fresh SVID for each exchange",
    )


def _stale(case: Case, *, assumed: bool) -> Refusal:
    issued_at = case.presentation.token.time("iat")
    text = "" if issued_at is None else _seconds(issued_at)
    return Refusal(
        "invalid_grant", f"ID Token issued at {text} is stale to sign-in.", assumed=assumed
    )


def _seconds(time: float) -> str:
    return f"{time:.0f}"


CREDENTIAL_RULES: tuple[Rule[Case], ...] = (
    Rule("exchange audience", _STS, _exchange_audience),
    Rule("provider", _PROVIDER, _provider),
    Rule("token", _STS, _token),
    Rule("issuer", f"{_PROVIDER}, oidc.issuerUri", _issuer),
    Rule("signing algorithm", _STS, _algorithm),
    Rule("signing key", f"{_PROVIDER}, oidc.jwksJson", _signing_key),
    Rule("signature", _STS, _signature),
    Rule("audience", f"{_PROVIDER}, oidc.allowedAudiences", _audience),
    Rule("issued", _MEASURED, _issued),
    Rule("expiry", _MEASURED, _expiry),
)
