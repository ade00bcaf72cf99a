"""A token at Kubernetes' API server: what its OIDC authenticator checks, in its order.

A model made from its public source, not the API server itself. Messages are those of the API
server's log; its client is told `Unauthorized` and no more. Claims that the token says are
elsewhere (`_claim_names`) are not fetched, and names that differ from a registered claim's in
case alone, which Go's decoder takes for it, are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from spire_bridge.cloud.cel import CelError, Expression
from spire_bridge.cloud.go_jose import UNDECODABLE, is_signed_by_any, undecodable
from spire_bridge.cloud.go_text import quoted, quoted_list
from spire_bridge.cloud.kubernetes.claims import (
    NotOfType,
    boolean,
    cel_value,
    seconds,
    string,
    strings,
    wrong_type,
)
from spire_bridge.cloud.kubernetes.configuration import (
    JwtAuthenticator,
    KubernetesTrust,
    UserMapping,
    ValidationRule,
)
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Check, Refusal, Rule, Verdict, judge

TITLE = "Kubernetes API server"

ALGORITHMS = (
    *("ES256", "ES384", "ES512", "PS256", "PS384", "PS512"),
    *("RS256", "RS384", "RS512"),
)
NOT_BEFORE_LEEWAY_SECONDS = 60
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"

_AUTHENTICATOR = "kubernetes/apiserver: plugin/pkg/authenticator/token/oidc/oidc.go"
_VERIFY = "coreos/go-oidc v2: verify.go, Verify"
_KEY_SET = "coreos/go-oidc v2: jwks.go"

_GOOGLE = "https://accounts.google.com"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME = "0001-01-01 00:00:00 +0000 UTC"
_NOBODY = JwtAuthenticator("", "", (), UserMapping())
_PASSED = Check()


@dataclass(slots=True)
class User:
    """Who the token's bearer is, as far as the mappings have come."""

    username: str = ""
    groups: list[str] = field(default_factory=list)
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """A token at the authenticator of its issuer; nobody's, if there is none."""

    presentation: Presentation
    trust: KubernetesTrust
    authenticator: JwtAuthenticator
    roots: Mapping[str, Any]
    user: User = field(default_factory=User)

    @property
    def claims(self) -> Mapping[str, Any]:
        return self.presentation.token.claims


def evaluate(presentation: Presentation, trust: KubernetesTrust) -> Verdict:
    """What an API server with this configuration makes of the token."""
    authenticator = _authenticator_of(presentation, trust) or _NOBODY
    expressions = tuple(authenticator.claim_expressions())
    claims = presentation.token.claims
    roots = {"claims": cel_value(dict(claims), expressions)} if expressions else {}
    case = Case(presentation, trust, authenticator, roots)
    rules = _ONE_AUDIENCE if len(authenticator.audiences) < 2 else _SEVERAL_AUDIENCES
    return judge(TITLE, trust.name, rules, case, _identity)


def _authenticator_of(
    presentation: Presentation, trust: KubernetesTrust
) -> JwtAuthenticator | None:
    issuer = _issuer_of(presentation)
    return next((entry for entry in trust.authenticators if entry.url == issuer), None)


def _issuer_of(presentation: Presentation) -> str:
    issuer = presentation.token.text("iss") or ""
    return _GOOGLE if issuer == "accounts.google.com" else issuer


def _refused(
    message: str, found: object, wanted: object, fix: str, *, assumed: bool = False
) -> Check:
    refusal = Refusal("Unauthorized", message, 401, assumed)
    return Check(shown(found), shown(wanted), refusal, fix)


def _unverified(
    message: str, found: object, wanted: object, fix: str, *, assumed: bool = False
) -> Check:
    return _refused(f"oidc: verify token: {message}", found, wanted, fix, assumed=assumed)


def _issuer(case: Case) -> Check:
    token = case.presentation.token
    if case.authenticator is not _NOBODY:
        return Check(shown(case.authenticator.url))
    found = token.defect or token.text("iss") or "no issuer"
    urls = [entry.url for entry in case.trust.authenticators]
    fix = (
        "add the issuer to jwt, its url equal to the token's iss byte for byte: mind the last slash"
    )
    return _refused("Unauthorized", found, ", ".join(urls) or "no issuer at all", fix)


def _discovery(case: Case) -> Check:
    documents, wanted = case.presentation.documents, case.authenticator.url
    found = documents.problem or documents.issuer or "no issuer"
    if not documents.problem and documents.issuer == wanted:
        return Check(shown(found))
    fix = "have the issuer serve a discovery document whose issuer is issuer.url byte for byte"
    return _refused("oidc: authenticator not initialized", found, wanted, fix)


def _algorithm(case: Case) -> Check:
    algorithm = case.presentation.token.algorithm or ""
    if algorithm in ALGORITHMS:
        return Check(algorithm)
    message = (
        f"oidc: id token signed with unsupported algorithm, expected {quoted_list(ALGORITHMS)} "
        f"got {quoted(algorithm)}"
    )
    fix = "have the issuer sign with RS256 or ES256"
    return _unverified(message, algorithm, ", ".join(ALGORITHMS), fix)


def _signature(case: Case) -> Check:
    presentation = case.presentation
    documents = presentation.documents
    if problem := undecodable(documents.keys, version=2):
        message = f"failed to verify signature: {UNDECODABLE}{problem}"
        fix = "take the key that it does not know out of the issuer's key set"
        return _unverified(message, problem, "a key set", fix, assumed=True)
    found = f"{presentation.token.algorithm}, key {presentation.token.key_id}"
    if is_signed_by_any(presentation):
        return Check(shown(found))
    known = ", ".join(str(key.get("kid")) for key in documents.keys)
    return _unverified(
        "failed to verify signature: failed to verify id token signature",
        found,
        f"a key of the issuer: {known}",
        "have the issuer serve the key that the token was signed with, and send it unaltered",
    )


def _claim_types(case: Case) -> Check:
    if problem := wrong_type(case.claims):
        message = f"oidc: failed to unmarshal claims: {problem}"
        return _unverified(
            message,
            problem,
            "claims as in RFC 7519",
            "have the issuer write them as RFC 7519 has it",
        )
    return _PASSED


def _audience(case: Case) -> Check:
    found, wanted = _audiences(case), case.authenticator.audiences
    if any(audience in wanted for audience in found):
        return Check(shown(", ".join(found)), shown(", ".join(wanted)))
    if len(wanted) == 1:
        message = f"oidc: expected audience {quoted(wanted[0])} got {quoted_list(found)}"
    else:
        expected = quoted_list(sorted(wanted))
        message = f"oidc: expected audience in {expected} got {quoted_list(found)}"
    fix = "ask the Workload API for a token with one of issuer.audiences"
    return _unverified(message, ", ".join(found) or "no audience", ", ".join(wanted), fix)


def _audiences(case: Case) -> list[str]:
    if "aud" not in case.claims:
        return []
    value = case.claims["aud"]
    return strings(value) if value is not None else [""]


def _expiration(case: Case) -> Check:
    expires_at = seconds(case.claims, "exp")
    wanted = f"at least {case.presentation.now:.0f}"
    if expires_at is not None and expires_at >= case.presentation.now:
        return Check(str(expires_at), wanted)
    when = _NO_TIME if expires_at is None else _go_time(expires_at)
    message = f"oidc: token is expired (Token Expiry: {when})"
    found = "no exp" if expires_at is None else str(expires_at)
    return _unverified(message, found, wanted, "fetch a fresh token; there is no leeway")


def _not_before(case: Case) -> Check:
    not_before, now = seconds(case.claims, "nbf"), case.presentation.now
    if not_before is None or now + NOT_BEFORE_LEEWAY_SECONDS >= not_before:
        return Check("" if not_before is None else str(not_before))
    message = (
        f"oidc: current time {_go_time(now)} before the nbf (not before) time: "
        f"{_go_time(not_before)}"
    )
    wanted = f"at most {now:.0f} + {NOT_BEFORE_LEEWAY_SECONDS}"
    return _unverified(message, not_before, wanted, "set the clocks of the API server and SPIRE")


def _go_time(seconds_since_epoch: float) -> str:
    """`%v` of a time in a server whose zone is UTC."""
    try:
        moment = _EPOCH + timedelta(seconds=seconds_since_epoch)
    except OverflowError:
        return f"{seconds_since_epoch:.0f} s since 1970"
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _username(case: Case) -> Check:
    mapping = case.authenticator.username
    if mapping.expression is not None:
        return _username_by_expression(case, mapping.expression)
    claim = mapping.claim
    try:
        username = _claim(case, claim)
    except NotOfType as error:
        fix = f"set claimMappings.username.claim to a claim that is a string: {claim} is none"
        message = f"oidc: parse username claims {quoted(claim)}: {error}"
        return _refused(message, str(error), f"{claim} as a string", fix)
    if claim == "email" and (refused := _unverified_email(case)):
        return refused
    case.user.username = mapping.prefix + username
    return Check(shown(case.user.username))


def _username_by_expression(case: Case, expression: Expression) -> Check:
    value = expression.evaluate(case.roots)
    fix = "have claimMappings.username.expression come to a string for every token"
    prefix = "oidc: error evaluating username claim expression: "
    if isinstance(value, CelError):
        message = prefix + _failed(expression, value)
        return _refused(message, value.message, "a string", fix)
    if not isinstance(value, str):
        message = f"{prefix}username claim expression must return a string"
        return _refused(message, value, "a string", fix)
    if not value:
        message = "oidc: empty username via CEL expression is not allowed"
        return _refused(message, value, "a string", fix)
    case.user.username = value
    return Check(shown(value))


def _unverified_email(case: Case) -> Check | None:
    if "email_verified" not in case.claims:
        return None
    found = case.claims["email_verified"]
    fix = "have the address verified, or map another claim to the username"
    try:
        if boolean(found):
            return None
    except NotOfType as error:
        message = f"oidc: parse 'email_verified' claim: {error}"
        return _refused(message, found, "true", fix)
    return _refused("oidc: email not verified", found, "true", fix)


def _claim(case: Case, name: str) -> str:
    if name not in case.claims:
        raise NotOfType("claim not present")
    return string(case.claims[name])


def _failed(expression: Expression, error: CelError) -> str:
    return f"expression '{expression.text}' resulted in error: {error.message}"


def _groups(case: Case) -> Check:
    mapping = case.authenticator.groups
    if mapping.expression is not None:
        return _groups_by_expression(case, mapping.expression)
    if not mapping.claim or mapping.claim not in case.claims:
        return _PASSED
    try:
        groups = strings(case.claims[mapping.claim])
    except NotOfType as error:
        message = f"oidc: parse groups claim {quoted(mapping.claim)}: {error}"
        fix = "set claimMappings.groups.claim to a claim that is a list of strings"
        return _refused(message, str(error), "a list of strings", fix)
    case.user.groups = [mapping.prefix + group for group in groups]
    return Check(shown(", ".join(case.user.groups)))


def _groups_by_expression(case: Case, expression: Expression) -> Check:
    try:
        case.user.groups = _string_list(expression.evaluate(case.roots), expression)
    except NotOfType as error:
        message = f"oidc: error evaluating group claim expression: {error}"
        fix = "have claimMappings.groups.expression come to a list of strings for every token"
        return _refused(message, str(error), "a list of strings", fix)
    return Check(shown(", ".join(case.user.groups)))


def _string_list(value: Any, expression: Expression) -> list[str]:
    """A string, a list of strings or null, without what is empty. Raises `NotOfType`."""
    if isinstance(value, CelError):
        raise NotOfType(_failed(expression, value))
    items = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise NotOfType("expression must return a string or a list of strings")
    return [item for item in items if item]


def _uid(case: Case) -> Check:
    mapping = case.authenticator.uid
    if mapping.expression is not None:
        return _uid_by_expression(case, mapping.expression)
    if not mapping.claim:
        return _PASSED
    try:
        case.user.uid = _claim(case, mapping.claim)
    except NotOfType as error:
        message = f"oidc: parse uid claim {quoted(mapping.claim)}: {error}"
        fix = "set claimMappings.uid.claim to a claim that every token has, as a string"
        return _refused(message, str(error), f"{mapping.claim} as a string", fix)
    return Check(shown(case.user.uid))


def _uid_by_expression(case: Case, expression: Expression) -> Check:
    value = expression.evaluate(case.roots)
    if isinstance(value, str):
        case.user.uid = value
        return Check(shown(value))
    is_error = isinstance(value, CelError)
    problem = (
        _failed(expression, value) if is_error else "uid claim expression must return a string"
    )
    message = f"oidc: error evaluating uid claim expression: {problem}"
    fix = "have claimMappings.uid.expression come to a string for every token"
    return _refused(message, value.message if is_error else value, "a string", fix)


def _extra(case: Case) -> Check:
    token_id = case.claims.get("jti")
    if isinstance(token_id, str) and token_id:
        case.user.extra[CREDENTIAL_ID] = [f"JTI={token_id}"]
    mappings = case.authenticator.extra
    values = [expression.evaluate(case.roots) for _, expression in mappings]
    fix = "have claimMappings.extra come to strings for every token"
    for (_, expression), value in zip(mappings, values, strict=True):
        if isinstance(value, CelError):
            return _refused(_failed(expression, value), value.message, "strings", fix)
    for (key, expression), value in zip(mappings, values, strict=True):
        try:
            items = _string_list(value, expression)
        except NotOfType as error:
            message = f"oidc: error evaluating extra claim expression: {expression.text}: {error}"
            return _refused(message, value, "strings", fix)
        if items:
            case.user.extra[key] = items
    return Check(shown(", ".join(case.user.extra)))


def _required_claims(case: Case) -> Check:
    for name, wanted in case.authenticator.required_claims.items():
        fix = f"correct claimValidationRules for {name}, or have the right workload come"
        if name not in case.claims:
            message = f"oidc: required claim {name} not present in ID token"
            return _refused(message, "no such claim", f"{name}: {wanted}", fix)
        try:
            found = string(case.claims[name])
        except NotOfType as error:
            return _refused(f"oidc: parse claim {name}: {error}", str(error), "a string", fix)
        if found != wanted:
            message = (
                f"oidc: required claim {name} value does not match. Got = {found}, want = {wanted}"
            )
            return _refused(message, found, wanted, fix)
    return Check("", shown(", ".join(case.authenticator.required_claims)))


def _claim_rules(case: Case) -> Check:
    return _validated(
        case.authenticator.claim_rules,
        case.roots,
        "oidc: error evaluating claim validation expression: ",
    )


def _user_rules(case: Case) -> Check:
    rules = case.authenticator.user_rules
    if not rules:
        return _PASSED
    identity = cel_value(_identity(case), (rule.expression for rule in rules))
    return _validated(
        rules, {"user": identity}, "oidc: error evaluating user info validation rule: "
    )


def _validated(rules: Sequence[ValidationRule], roots: Mapping[str, Any], prefix: str) -> Check:
    """Every rule is evaluated before the first that is false is told."""
    values = [rule.expression.evaluate(roots) for rule in rules]
    for rule, value in zip(rules, values, strict=True):
        if isinstance(value, CelError):
            message = prefix + _failed(rule.expression, value)
            fix = "have the rule come to true or false for every token: see has() and orValue()"
            return _refused(message, value.message, rule.expression.text, fix)
    for rule, value in zip(rules, values, strict=True):
        if not isinstance(value, bool):
            message = f"{prefix}validation expression must return a boolean"
            return _refused(message, value, "true", "have the rule come to true or false")
        if not value:
            message = (
                f"{prefix}validation expression '{rule.expression.text}' failed: {rule.message}"
            )
            fix = "correct the rule, or have the right workload come"
            return _refused(message, "false", rule.expression.text, fix)
    return Check(f"{len(rules)} rules") if rules else _PASSED


def _identity(case: Case) -> Mapping[str, Any]:
    user = case.user
    return {"username": user.username, "groups": user.groups, "uid": user.uid, "extra": user.extra}


_ISSUER = (
    Rule("issuer", _AUTHENTICATOR, _issuer),
    Rule("discovery", _AUTHENTICATOR, _discovery),
    Rule("algorithm", _VERIFY, _algorithm),
    Rule("signature", _KEY_SET, _signature),
    Rule("claim types", _VERIFY, _claim_types),
)
_TIME = (Rule("expiration", _VERIFY, _expiration), Rule("not before", _VERIFY, _not_before))
_AUDIENCE = (Rule("audience", f"{_VERIFY}; {_AUTHENTICATOR}", _audience),)
_USER = (
    Rule("username", _AUTHENTICATOR, _username),
    Rule("groups", _AUTHENTICATOR, _groups),
    Rule("uid", _AUTHENTICATOR, _uid),
    Rule("extra", _AUTHENTICATOR, _extra),
    Rule("required claims", _AUTHENTICATOR, _required_claims),
    Rule("claim validation", _AUTHENTICATOR, _claim_rules),
    Rule("user validation", _AUTHENTICATOR, _user_rules),
)
# Several audiences are more than go-oidc takes: the API server looks at them afterwards.
_ONE_AUDIENCE: tuple[Rule[Case], ...] = (*_ISSUER, *_AUDIENCE, *_TIME, *_USER)
_SEVERAL_AUDIENCES: tuple[Rule[Case], ...] = (*_ISSUER, *_TIME, *_AUDIENCE, *_USER)
