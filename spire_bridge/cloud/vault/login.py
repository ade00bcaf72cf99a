"""A login at Vault's or OpenBao's JWT auth method: what is checked, in the plugin's order.

A model made from the plugin's public source, not the plugin itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spire_bridge.cloud.go_jose import UNDECODABLE, is_signed_by_any, undecodable
from spire_bridge.cloud.go_text import as_int64, json_kind, plain, quoted, quoted_list
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken, shown
from spire_bridge.cloud.rule import Check, Refusal, Rule, Verdict, judge
from spire_bridge.cloud.vault.claims import Product, claim, matches, normalized
from spire_bridge.cloud.vault.trust import ALGORITHMS, Role, VaultTrust

TITLE = "Vault and OpenBao JWT auth"

_LOGIN = "hashicorp/vault-plugin-auth-jwt: path_login.go"
_CLAIMS = "hashicorp/vault-plugin-auth-jwt: claims.go"
_VALIDATE = "hashicorp/cap: jwt/jwt.go, Validate"
_KEY_SET = "hashicorp/cap: jwt/keyset.go"
_IDENTITY = "openbao/openbao: vault/request_handling.go, login"

DEFAULT_CLOCK_SKEW_SECONDS = 60
DEFAULT_LEEWAY_SECONDS = 150  # fills in a missing exp or nbf, and does no more

_REGISTERED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
# The order in which the plugin's JSON decoder complains of them.
_DECODED = ("aud", "exp", "iat", "nbf", "iss", "jti", "sub")
_TIMES = frozenset({"exp", "nbf", "iat"})

_ALL_ALGORITHMS = ", ".join(ALGORITHMS)
_NO_ROLE = Role("jwt", "")
_PASSED = Check()


@dataclass(frozen=True, slots=True)
class Case:
    """A login with a token. `role` is an empty one where the mount has none of that name.

    `times` are iat, nbf and exp as they are compared: what is missing is made from the others.
    """

    presentation: Presentation
    trust: VaultTrust
    role: Role
    times: tuple[int, int, int]

    @property
    def claims(self) -> Mapping[str, Any]:
        return self.presentation.token.claims

    def claim(self, name: str) -> Any:
        return claim(self.claims, name, self.trust.product)


def evaluate(presentation: Presentation, trust: VaultTrust) -> Verdict:
    """What the auth method answers to a login with this token."""
    role = trust.role or _NO_ROLE
    case = Case(presentation, trust, role, _times(presentation.token, role))
    return judge(TITLE, trust.name, _RULES, case, _identity)


def _refused(
    message: str,
    found: object,
    wanted: object,
    fix: str,
    *,
    status: int = 400,
    assumed: bool = False,
) -> Check:
    refusal = Refusal("", message, status, assumed)
    return Check(shown(found), shown(wanted), refusal, fix)


def _invalid(
    message: str, found: object, wanted: object, fix: str, *, assumed: bool = False
) -> Check:
    return _refused(f"error validating token: {message}", found, wanted, fix, assumed=assumed)


def _role(case: Case) -> Check:
    if case.trust.role is not None:
        return Check(case.trust.role_name)
    name = case.trust.role_name
    if not name:
        fix = "name a role at login, or set default_role on the mount"
        return _refused("missing role", "no role", "a role", fix)
    fix = "create the role, or log in with a role that exists"
    return _refused(f"role {quoted(name)} could not be found", name, "a role of the mount", fix)


def _role_type(case: Case) -> Check:
    kind = case.role.role_type
    if kind != "oidc":
        return Check(kind, "jwt")
    fix = "set role_type to jwt on the role"
    return _refused("role with oidc role_type is not allowed", kind, "jwt", fix)


def _token(case: Case) -> Check:
    if case.presentation.token.length:
        return Check(f"{case.presentation.token.length} characters")
    return _refused("missing token", "nothing", "a JWT", "send the JWT-SVID as jwt")


def _address(case: Case) -> Check:
    if not case.role.bound_cidrs:
        return _PASSED
    found = "not evaluated: a token does not say where its bearer is"
    return Check(found, ", ".join(case.role.bound_cidrs))


def _issuer_keys(case: Case) -> Check:
    mount, documents = case.trust.mount, case.presentation.documents
    if mount is None:
        return Check("not evaluated: the mount's config is not described")
    if mount.public_keys:
        return Check(f"{len(mount.public_keys)} public keys of the mount")
    if mount.client_id and case.trust.product is Product.VAULT:
        message = "error configuring token validator: unsupported config type"
        fix = "mount JWT auth once more, without oidc_client_id, for workloads"
        return _refused(message, "a mount for browsers", "a mount for tokens", fix)
    if documents.problem:
        where = mount.oidc_discovery_url or mount.jwks_url
        message = f"error configuring token validator: keyset configuration error: {where}"
        fix = "make the issuer's documents reachable from where the server runs"
        return _refused(message, documents.problem, where, fix, assumed=True)
    url = mount.oidc_discovery_url
    if url and documents.issuer != url:
        return _refused(
            "error configuring token validator: keyset configuration error: issuer did not match "
            f"the returned issuer, expected {quoted(url)} got {quoted(documents.issuer or '')}",
            documents.issuer or "no issuer",
            url,
            "set oidc_discovery_url to the issuer's URL, byte for byte: mind the last slash",
        )
    return Check(documents.issuer or "", url)


def _shape(case: Case) -> Check:
    token = case.presentation.token
    if token.jws is None:
        is_static = case.trust.mount is not None and bool(case.trust.mount.public_keys)
        message = "error verifying token signature: " + (
            "" if is_static else "oidc: malformed jwt: "
        )
        fix = "send the token as it came from the Workload API, nothing else"
        return _invalid(message + token.defect, token.defect, "a signed JWT", fix, assumed=True)
    return Check("a signed JWT")


def _signature(case: Case) -> Check:
    presentation, mount = case.presentation, case.trust.mount
    token, documents = presentation.token, presentation.documents
    algorithm = token.algorithm or ""
    found = f"{algorithm}, key {token.key_id}"
    if mount is not None and mount.public_keys:
        if any(presentation.is_signed_with(token, jwk) for jwk in mount.public_keys):
            return Check(found)
        message = "no known key successfully validated the token signature"
        fix = "configure oidc_discovery_url instead: keys in jwt_validation_pubkeys are not rotated"
        return _unverified(message, found, "a key of jwt_validation_pubkeys", fix)
    if algorithm not in ALGORITHMS:
        message = (
            f"oidc: malformed jwt: unexpected signature algorithm {quoted(algorithm)}; "
            f"expected {quoted_list(ALGORITHMS)}"
        )
        fix = "have the issuer sign with RS256 or ES256"
        return _unverified(message, algorithm, _ALL_ALGORITHMS, fix)
    if problem := documents.problem or undecodable(documents.keys, version=4):
        message = f"{UNDECODABLE}{problem}"
        fix = "take the key that it does not know out of the issuer's key set"
        return _unverified(message, problem, "a key set", fix, assumed=True)
    if is_signed_by_any(presentation):
        return Check(found)
    known = ", ".join(str(key.get("kid")) for key in documents.keys)
    fix = "have the issuer serve the key that the token was signed with, and send it unaltered"
    return _unverified(
        "failed to verify id token signature",
        found,
        f"a key of the issuer: {known}",
        fix,
        assumed=algorithm == "EdDSA",  # which is not verified here
    )


def _unverified(message: str, found: str, wanted: str, fix: str, *, assumed: bool = False) -> Check:
    return _invalid(
        f"error verifying token signature: {message}", found, wanted, fix, assumed=assumed
    )


def _claim_names(case: Case) -> Check:
    for name in case.claims:
        if name in _REGISTERED or (name.isascii() and name.islower()):
            continue
        folded = name.casefold()
        if folded in _REGISTERED and len(name) == len(folded):
            message = (
                f"ambiguous claim: key {quoted(name)} collides with registered claim "
                f"{quoted(folded)} under case folding"
            )
            return _invalid(message, name, folded, f"have the issuer leave out the claim {name}")
    return _PASSED


def _algorithm(case: Case) -> Check:
    allowed = case.trust.mount.algorithms if case.trust.mount is not None else ()
    algorithm = case.presentation.token.algorithm or ""
    wanted = ", ".join(allowed) if allowed else _ALL_ALGORITHMS
    if algorithm in (allowed or ALGORITHMS):
        return Check(algorithm, wanted)
    message = "invalid algorithm (alg) header parameter: token signed with unexpected algorithm"
    fix = f"add {shown(algorithm)} to jwt_supported_algs of the mount"
    return _invalid(message, algorithm, wanted, fix)


def _claim_types(case: Case) -> Check:
    claims = case.claims
    for name in _DECODED:
        if name not in claims:
            continue
        value = claims[name]
        if problem := _wrong_type(name, value):
            fix = f"have the issuer write {name} as RFC 7519 has it"
            return _invalid(problem, value, "a value of the type in RFC 7519", fix)
    return _PASSED


def _wrong_type(name: str, value: Any) -> str:
    if name == "aud":
        strings = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if strings or isinstance(value, str):
            return ""
        return "go-jose/go-jose/jwt: expected string or array value to unmarshal to Audience"
    if value is None:
        return ""
    if name in _TIMES:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return ""
        return "go-jose/go-jose/jwt: expected number value to unmarshal NumericDate"
    if isinstance(value, str):
        return ""
    kind = json_kind(value)
    return f"json: cannot unmarshal {kind} into Go struct field Claims.{name} of type string"


def _issuer(case: Case) -> Check:
    mount = case.trust.mount
    found = case.presentation.token.text("iss") or ""
    if mount is None:
        return Check(shown(found), "not evaluated: the mount's config is not described")
    if not mount.bound_issuer or found == mount.bound_issuer:
        return Check(shown(found), mount.bound_issuer or "any issuer")
    fix = "set bound_issuer to the token's iss, byte for byte: mind the last slash"
    return _invalid("invalid issuer (iss) claim", found, mount.bound_issuer, fix)


def _subject(case: Case) -> Check:
    wanted, found = case.role.bound_subject, case.presentation.token.text("sub") or ""
    if not wanted or found == wanted:
        return Check(shown(found), wanted or "any subject")
    fix = "set bound_subject to the workload's SPIFFE ID, or have the right workload log in"
    return _invalid("invalid subject (sub) claim", found, wanted, fix)


def _audience(case: Case) -> Check:
    wanted, found = case.role.bound_audiences, case.presentation.token.audiences()
    if not wanted or any(audience in wanted for audience in found):
        return Check(shown(", ".join(found)), shown(", ".join(wanted)))
    return _invalid(
        "invalid audience (aud) claim: audience claim does not match any expected audience",
        ", ".join(found) or "no audience",
        ", ".join(wanted),
        "ask the Workload API for a token with an audience of bound_audiences",
    )


def _seconds(token: PresentedToken, name: str) -> int:
    """A NumericDate without its fraction; 0 is the same as none."""
    value = token.time(name)
    return 0 if value is None else as_int64(value)


def _leeway(seconds: int, default: int) -> int:
    return max(seconds, 0) if seconds else default


def _times(token: PresentedToken, role: Role) -> tuple[int, int, int]:
    issued_at, not_before = _seconds(token, "iat"), _seconds(token, "nbf")
    expiry = _seconds(token, "exp")
    if not expiry:
        leeway = _leeway(role.expiration_leeway, DEFAULT_LEEWAY_SECONDS)
        expiry = max(issued_at, not_before) + leeway
    if not not_before:
        leeway = _leeway(role.not_before_leeway, DEFAULT_LEEWAY_SECONDS)
        not_before = issued_at or expiry - leeway
    return issued_at, not_before, expiry


def _clock_skew(case: Case) -> int:
    return _leeway(case.role.clock_skew_leeway, DEFAULT_CLOCK_SKEW_SECONDS)


def _dated(case: Case) -> Check:
    if any(_seconds(case.presentation.token, name) for name in ("iat", "nbf", "exp")):
        return _PASSED
    return _invalid(
        "no issued at (iat), not before (nbf), or expiration time (exp) claims in token",
        "none of them",
        "iat, nbf or exp",
        "have the issuer date its tokens; SPIRE does",
    )


def _not_before(case: Case) -> Check:
    not_before, skew = case.times[1], _clock_skew(case)
    found, wanted = str(not_before), f"at most {case.presentation.now:.0f} + {skew}"
    if case.presentation.now + skew >= not_before:
        return Check(found, wanted)
    message = "invalid not before (nbf) claim: token not yet valid"
    return _invalid(message, found, wanted, "set the clocks, or raise clock_skew_leeway")


def _expiration(case: Case) -> Check:
    expiry, skew = case.times[2], _clock_skew(case)
    found, wanted = str(expiry), f"at least {case.presentation.now:.0f} - {skew}"
    if case.presentation.now - skew <= expiry:
        return Check(found, wanted)
    message = "invalid expiration time (exp) claim: token is expired"
    return _invalid(message, found, wanted, "fetch a fresh token and log in at once")


def _issued_at(case: Case) -> Check:
    issued_at, skew = case.times[0], _clock_skew(case)
    found, wanted = str(issued_at), f"at most {case.presentation.now:.0f} + {skew}"
    if case.presentation.now + skew >= issued_at:
        return Check(found, wanted)
    message = "invalid issued at (iat) claim: token issued in the future"
    return _invalid(message, found, wanted, "set the clocks, or raise clock_skew_leeway")


def _unbound_audience(case: Case) -> Check:
    if case.role.bound_audiences:
        return _PASSED
    found = case.claim("aud")
    # Vault lets an empty string pass, which is a list of one to OpenBao.
    if not found or not isinstance(found, list | str):
        return Check("no audience", "no audience")
    message = "audience claim found in JWT but no audiences bound to the role"
    fix = "set bound_audiences on the role: every JWT-SVID has an audience"
    return _refused(message, found, "no audience", fix)


def _user(case: Case) -> Any:
    role = case.role
    name = role.user_claim
    return case.claim(name) if role.user_claim_is_pointer else case.claims.get(name)


def _user_claim(case: Case) -> Check:
    name, value = case.role.user_claim, _user(case)
    if isinstance(value, str):
        return Check(shown(value), name)
    fix = "set user_claim to a claim that is a string, such as sub"
    if value is None:
        return _refused(f"claim {quoted(name)} not found in token", "no such claim", name, fix)
    message = f"claim {quoted(name)} could not be converted to string"
    return _refused(message, plain(value), f"{name} as a string", fix)


def _metadata(case: Case) -> Check:
    for name in case.role.claim_mappings:
        value = case.claim(name)
        if value is not None and not isinstance(value, str):
            message = f"error converting claim '{name}' to string"
            fix = f"take {name} out of claim_mappings: only strings become metadata"
            return _refused(message, _text(value), f"{name} as a string", fix)
    return _PASSED


def _groups(case: Case) -> Check:
    name = case.role.groups_claim
    if not name:
        return _PASSED
    value = case.claim(name)
    fix = "set groups_claim to a claim that is a list of strings, or to nothing"
    if value is None:
        message = f"failed to fetch groups: {quoted(name)} claim not found in token"
        return _refused(message, "no such claim", name, fix)
    groups = normalized(value)
    if groups is None:
        message = f"{quoted(name)} claim could not be converted to string list"
        return _refused(message, _text(value), f"{name} as a list of strings", fix)
    for group in groups:
        if not isinstance(group, str):
            message = f"value {_text(group)} in groups claim could not be parsed as string"
            return _refused(message, _text(group), f"{name} as a list of strings", fix)
    return Check(shown(", ".join(groups)), name)


def _bound_claims(case: Case) -> Check:
    for name, wanted in case.role.bound_claims.items():
        problem, found = _unbound(case, name, wanted)
        if problem:
            fix = f"correct bound_claims for {shown(name)}, or have the right workload log in"
            message = f"error validating claims: {problem}"
            return _refused(message, found, f"{name}: {_values(wanted)}", fix)
    names = ", ".join(case.role.bound_claims)
    return Check("", shown(names)) if names else _PASSED


def _unbound(case: Case, name: str, wanted: Sequence[Any]) -> tuple[str, str]:
    """Why the claim is not as it is bound to be, and what it is."""
    value = case.claim(name)
    if value is None:
        return f"claim {quoted(name)} is missing", "no such claim"
    found = normalized(value)
    if found is None:
        text = _text(value)
        return f"received claim is not a string, bool, int or list: {text}", text
    if not matches(wanted, found, glob=case.role.glob):
        problem = f"claim {quoted(name)} does not match any associated bound claim values"
        return problem, _values(found)
    return "", ""


def _alias(case: Case) -> Check:
    name = _user(case)
    if name:
        return Check(shown(name))
    fix = "set user_claim to a claim that is never empty, such as sub"
    return _refused("missing name in alias", "an empty string", "a name", fix, status=500)


def _text(value: Any) -> str:
    return plain(getattr(value, "text", value))


def _values(values: Sequence[Any]) -> str:
    return " or ".join(map(_text, values))


def _identity(case: Case) -> Mapping[str, Any]:
    role = case.role
    metadata = {}
    for name, key in role.claim_mappings.items():
        value = case.claim(name)
        if value is not None:
            metadata[key] = value
    metadata["role"] = case.trust.role_name
    groups = normalized(case.claim(role.groups_claim)) if role.groups_claim else ()
    return {
        "alias": _user(case),
        "metadata": metadata,
        "groups": [group for group in groups or () if group],
        "policies": list(role.policies),
    }


_RULES: tuple[Rule[Case], ...] = (
    Rule("role", _LOGIN, _role),
    Rule("role type", _LOGIN, _role_type),
    Rule("token", _LOGIN, _token),
    Rule("bound addresses", _LOGIN, _address),
    Rule("issuer's keys", _KEY_SET, _issuer_keys),
    Rule("JWT", _KEY_SET, _shape),
    Rule("signature", _KEY_SET, _signature),
    Rule("claim names", _VALIDATE, _claim_names),
    Rule("algorithm", _VALIDATE, _algorithm),
    Rule("claim types", _VALIDATE, _claim_types),
    Rule("issuer", _VALIDATE, _issuer),
    Rule("subject", _VALIDATE, _subject),
    Rule("audience", _VALIDATE, _audience),
    Rule("dates", _VALIDATE, _dated),
    Rule("not before", _VALIDATE, _not_before),
    Rule("expiration", _VALIDATE, _expiration),
    Rule("issued at", _VALIDATE, _issued_at),
    Rule("unbound audience", _LOGIN, _unbound_audience),
    Rule("user claim", _LOGIN, _user_claim),
    Rule("metadata", _CLAIMS, _metadata),
    Rule("groups", _LOGIN, _groups),
    Rule("bound claims", _CLAIMS, _bound_claims),
    Rule("alias", _IDENTITY, _alias),
)
