"""What Entra checks with the issuer's metadata, and of the token's time."""

from __future__ import annotations

from datetime import UTC, datetime

from spire_bridge.cloud.entra import limits, refusals
from spire_bridge.cloud.entra.case import Case
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Rule
from spire_bridge.jose.compact import base64url_decode

_CODES = "Microsoft Entra: authentication and authorization error codes"
_SPIRE_TUTORIAL = "SPIFFE: SPIRE and Azure AD OIDC federation, set_key_use"

_WANTED_TIME = (
    "between nbf and exp, where a difference of"
    f" {limits.ASSUMED_CLOCK_SKEW_SECONDS} s is assumed to be tolerated"
)
_SHA1_BYTES = 20  # what identifies a certificate (RFC 7515 section 4.1.7)


def _discovery(case: Case) -> Check:
    documents = case.presentation.documents
    if documents.problem:
        return Check(
            documents.problem,
            "both documents of the issuer",
            refusals.issuer_unreachable(),
            "let Entra reach the issuer's documents from the internet",
        )
    if documents.issuer == case.issuer:
        return Check(shown(documents.issuer), shown(case.issuer))
    return Check(
        shown(documents.issuer),
        shown(case.issuer),
        refusals.issuer_unreachable(assumed=True),
        "serve a discovery document with the token's issuer",
    )


def _signing_key(case: Case) -> Check:
    key_id, key = case.presentation.token.key_id, case.presentation.key
    found = f"kid {shown(key_id)}" if key_id is not None else "no kid"
    if key is None:
        return Check(
            found,
            "a key of the issuer",
            refusals.key_not_found(_identifier(key_id or ""), case.issuer),
            "publish the key before tokens are signed with it, and keep it until they expire",
        )
    return Check(found, "a key of the issuer")


def _key_use(case: Case) -> Check:
    key = case.presentation.key or {}
    if key.get("use") == "sig":
        return Check("sig", "sig")
    return Check(
        shown(key.get("use")),
        "sig",
        refusals.key_not_found(
            _identifier(case.presentation.token.key_id or ""), case.issuer, assumed=True
        ),
        "have the issuer write use: sig (set_key_use of SPIRE's provider)",
    )


def _signature(case: Case) -> Check:
    presentation = case.presentation
    if presentation.key is not None and presentation.is_signed_with(
        presentation.token, presentation.key
    ):
        return Check("verified", "by the key of that kid")
    return Check(
        "not verified",
        "by the key of that kid",
        refusals.bad_signature(),
        "publish the key that signs under its own kid: two keys must not share one",
    )


def _validity(case: Case) -> Check:
    token, now = case.presentation.token, case.presentation.now
    not_before, expires_at = token.time("nbf"), token.time("exp")
    skew = limits.ASSUMED_CLOCK_SKEW_SECONDS
    if expires_at is not None and (not_before or 0) - skew <= now < expires_at + skew:
        return Check(f"{expires_at - now:.0f} s left", _WANTED_TIME)
    starts, ends = _written(not_before or 0), _written(expires_at or 0)
    return Check(
        f"{starts} to {ends}, at {_written(now)}" if expires_at is not None else "no exp",
        _WANTED_TIME,
        refusals.out_of_time(_written(now), starts, ends, assumed=expires_at is None),
        "fetch a fresh SVID for each request, and set the clocks",
    )


def _identifier(key_id: str) -> str:
    """How Entra names a key: presumably by its kid, in hex where that is a certificate's hash."""
    try:
        digest = base64url_decode(key_id)
    except ValueError:
        return key_id
    return digest.hex().upper() if len(digest) == _SHA1_BYTES else key_id


def _written(seconds: float) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):  # no year that anyone could write
        return "9999-12-31T23:59:59.0000000Z"
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}0Z"


KEY_RULES: tuple[Rule[Case], ...] = (
    Rule("discovery", _CODES, _discovery),
    Rule("signing key", _CODES, _signing_key),
    Rule("key use", _SPIRE_TUTORIAL, _key_use),
    Rule("signature", _CODES, _signature),
    Rule("validity", _CODES, _validity),
)
