"""An AuthenticationConfiguration: who may be whom at an API server, by which issuer's tokens.

Source: kubernetes/apiserver, pkg/apis/apiserver/v1/types.go and validation/validation.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from cryptography.x509 import load_pem_x509_certificates

from spire_bridge.cloud import cel_functions
from spire_bridge.cloud.cel import Expression, compile_expression
from spire_bridge.cloud.cel_syntax import selected_path
from spire_bridge.cloud.go_text import quoted
from spire_bridge.cloud.kubernetes.document import read_object
from spire_bridge.cloud.kubernetes.fields import Fields
from spire_bridge.cloud.kubernetes.issuer_rules import url_problems

API_GROUP = "apiserver.config.k8s.io"
VERSIONS = ("v1", "v1beta1", "v1alpha1")
MAX_AUTHENTICATORS = 64

_BOTH = "claim and expression can't both be set"
_ONE = "claim or expression is required"
_EMAIL = re.compile(r"\bclaims\s*\.\s*\??\s*email\b")
_EMAIL_VERIFIED = re.compile(r"\bclaims\s*\.\s*\??\s*email_verified\b")
# A claim may be anything, and only what may be a list can be gone through.
_RANGES_OVER_CLAIM = re.compile(
    r"\bclaims(\s*\.\s*\??\s*\w+|\s*\[[^\]]*\])+\s*\.\s*(all|exists|exists_one|filter|map)\s*\("
)
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")

_TOP = ("apiVersion", "kind", "jwt", "anonymous")
_CLAIM_OR_EXPRESSION = ("claim", "expression")


@dataclass(frozen=True, slots=True)
class UserMapping:
    """Where a member of the user comes from; neither a claim nor an expression is nowhere."""

    claim: str = ""
    prefix: str = ""
    expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """An expression that has to be true, and what is said if it is not."""

    expression: Expression
    message: str


@dataclass(frozen=True, slots=True)
class JwtAuthenticator:
    """One entry of `jwt`: an issuer, and what is made of its tokens."""

    url: str
    discovery_url: str
    audiences: tuple[str, ...]
    username: UserMapping
    groups: UserMapping = field(default_factory=UserMapping)
    uid: UserMapping = field(default_factory=UserMapping)
    extra: tuple[tuple[str, Expression], ...] = ()
    required_claims: Mapping[str, str] = field(default_factory=dict)
    claim_rules: tuple[ValidationRule, ...] = ()
    user_rules: tuple[ValidationRule, ...] = ()

    def claim_expressions(self) -> Iterator[Expression]:
        """Every expression that is evaluated over the claims."""
        for mapping in (self.username, self.groups, self.uid):
            if mapping.expression is not None:
                yield mapping.expression
        yield from (expression for _, expression in self.extra)
        yield from (rule.expression for rule in self.claim_rules)


@dataclass(frozen=True, slots=True)
class KubernetesTrust:
    """A configuration that an API server would load, but for the fields it does not know.

    Those are kept out of the rules, and their places in `unknown_fields`.
    """

    name: str
    authenticators: tuple[JwtAuthenticator, ...]
    unknown_fields: tuple[str, ...] = ()


def parse_trust(data: bytes, *, name: str) -> KubernetesTrust:
    """Reads an AuthenticationConfiguration in YAML or JSON, version v1 or v1beta1.

    Raises `InvalidTrust` for what an API server refuses to load, in its own words.
    """
    top = Fields(read_object(data, name=name), name)
    _check_kind(top)
    top.know(*_TOP)
    entries = top.objects("jwt")
    if len(entries) > MAX_AUTHENTICATORS:
        raise top.problem(
            "jwt", f"Too many: {len(entries)}: must have at most {MAX_AUTHENTICATORS} items"
        )
    authenticators: list[JwtAuthenticator] = []
    for entry in entries:
        authenticators.append(_authenticator(entry))
        _check_unique(entry, authenticators)
    _check_anonymous(top.object("anonymous"))
    return KubernetesTrust(name, tuple(authenticators), tuple(top.unknown))


def _check_kind(top: Fields) -> None:
    if (kind := top.text("kind")) != "AuthenticationConfiguration":
        raise top.problem("kind", f"it is no AuthenticationConfiguration: {quoted(kind)}")
    group, _, version = top.text("apiVersion").partition("/")
    if group != API_GROUP or version not in VERSIONS:
        raise top.problem("apiVersion", f"it is not {API_GROUP}/v1 or v1beta1")


def _check_anonymous(anonymous: Fields) -> None:
    conditions = [{"Path": each.text("path")} for each in anonymous.objects("conditions")]
    if conditions and not anonymous.flag("enabled"):
        given = json.dumps(conditions, separators=(",", ":"))
        raise anonymous.problem(
            "conditions",
            f"Invalid value: {given}: enabled should be set to true when conditions are defined",
        )


def _check_unique(entry: Fields, authenticators: list[JwtAuthenticator]) -> None:
    *before, last = authenticators
    issuer = entry.object("issuer")
    if any(other.url == last.url for other in before):
        raise issuer.duplicate("url", last.url)
    if last.discovery_url and any(o.discovery_url == last.discovery_url for o in before):
        raise issuer.duplicate("discoveryURL", last.discovery_url)


def _authenticator(entry: Fields) -> JwtAuthenticator:
    entry.know("issuer", "claimValidationRules", "claimMappings", "userValidationRules")
    url, discovery_url, audiences = _issuer(entry.object("issuer"))
    required, claim_rules = _claim_rules(entry)
    mappings = entry.object("claimMappings")
    mappings.know("username", "groups", "uid", "extra")
    authenticator = JwtAuthenticator(
        url,
        discovery_url,
        audiences,
        _mapping(mappings.object("username"), prefixed=True, required=True),
        _mapping(mappings.object("groups"), prefixed=True),
        _mapping(mappings.object("uid"), prefixed=False),
        _extra(mappings),
        required,
        claim_rules,
        _user_rules(entry),
    )
    _check_email(authenticator, mappings)
    return authenticator


def _issuer(issuer: Fields) -> tuple[str, str, tuple[str, ...]]:
    issuer.know(
        *("url", "discoveryURL", "certificateAuthority", "audiences", "audienceMatchPolicy"),
        "egressSelectorType",
    )
    url, discovery_url = issuer.text("url"), issuer.text("discoveryURL")
    if not url:
        raise issuer.required("url")
    for problem in url_problems(url):
        raise issuer.invalid("url", url, problem)
    if discovery_url and url.rstrip("/") == discovery_url.rstrip("/"):
        raise issuer.invalid(
            "discoveryURL", discovery_url, "discoveryURL must be different from URL"
        )
    for problem in url_problems(discovery_url) if discovery_url else ():
        raise issuer.invalid("discoveryURL", discovery_url, problem)
    audiences = _audiences(issuer)
    _check_authority(issuer)
    egress = issuer.text("egressSelectorType")
    if egress not in ("", "controlplane", "cluster"):
        problem = "egress selector must be either controlplane or cluster"
        raise issuer.invalid("egressSelectorType", egress, problem)
    return url, discovery_url, audiences


def _check_authority(issuer: Fields) -> None:
    pem = issuer.text("certificateAuthority")
    try:
        if pem:
            load_pem_x509_certificates(pem.encode())
    except ValueError:
        problem = "data does not contain any valid RSA or ECDSA certificates"
        raise issuer.invalid("certificateAuthority", "<omitted>", problem) from None


def _audiences(issuer: Fields) -> tuple[str, ...]:
    audiences, policy = issuer.texts("audiences"), issuer.text("audienceMatchPolicy")
    if not audiences:
        raise issuer.required("audiences", f"at least one {issuer.at('audiences')} is required")
    for number, audience in enumerate(audiences):
        place = f"audiences[{number}]"
        if not audience:
            raise issuer.required(place)
        if audience in audiences[:number]:
            raise issuer.duplicate(place, audience)
    if len(audiences) > 1 and policy != "MatchAny":
        problem = "audienceMatchPolicy must be MatchAny for multiple audiences"
        raise issuer.invalid("audienceMatchPolicy", policy, problem)
    if policy not in ("", "MatchAny"):
        problem = "audienceMatchPolicy must be empty or MatchAny for single audience"
        raise issuer.invalid("audienceMatchPolicy", policy, problem)
    return audiences


def _claim_rules(entry: Fields) -> tuple[dict[str, str], tuple[ValidationRule, ...]]:
    required: dict[str, str] = {}
    rules: dict[str, ValidationRule] = {}
    for rule in entry.objects("claimValidationRules"):
        rule.know("claim", "requiredValue", "expression", "message")
        claim, expression = rule.text("claim"), rule.text("expression")
        if claim and expression:
            raise rule.invalid("", claim, _BOTH)
        if claim:
            if message := rule.text("message"):
                raise rule.invalid("message", message, "may not be specified when claim is set")
            if claim in required:
                raise rule.duplicate("claim", claim)
            required[claim] = rule.text("requiredValue")
            continue
        if not expression:
            raise rule.required("", _ONE)
        if value := rule.text("requiredValue"):
            problem = "may not be specified when expression is set"
            raise rule.invalid("requiredValue", value, problem)
        if expression in rules:
            raise rule.duplicate("expression", expression)
        rules[expression] = ValidationRule(_condition(rule, "claims"), rule.text("message"))
    return required, tuple(rules.values())


def _user_rules(entry: Fields) -> tuple[ValidationRule, ...]:
    rules: dict[str, ValidationRule] = {}
    for rule in entry.objects("userValidationRules"):
        rule.know("expression", "message")
        expression = rule.text("expression")
        if not expression:
            raise rule.required("expression")
        if expression in rules:
            raise rule.duplicate("expression", expression)
        rules[expression] = ValidationRule(_condition(rule, "user"), rule.text("message"))
    return tuple(rules.values())


def _condition(rule: Fields, root: str) -> Expression:
    """An expression that Kubernetes knows to be a bool, which a mere selection never is."""
    text = rule.text("expression")
    if selected_path(text) is not None:
        raise rule.invalid("expression", text, "must evaluate to bool")
    return _expression(rule, "expression", root)


def _expression(fields: Fields, key: str, root: str) -> Expression:
    if _RANGES_OVER_CLAIM.search(fields.text(key)):
        problem = (
            "compilation failed: expression of type 'any' cannot be range of a comprehension "
            "(must be list, map, or dynamic): write dyn(claims.x)"
        )
        raise fields.invalid(key, fields.text(key), problem)
    return compile_expression(
        fields.text(key),
        name=fields.name,
        place=fields.at(key),
        roots={root},
        functions=cel_functions.KUBERNETES,
    )


def _mapping(mapping: Fields, *, prefixed: bool, required: bool = False) -> UserMapping:
    mapping.know(*_CLAIM_OR_EXPRESSION, *(("prefix",) if prefixed else ()))
    claim, expression = mapping.text("claim"), mapping.text("expression")
    if claim and expression:
        raise mapping.invalid("", "", _BOTH)
    if required and not claim and not expression:
        raise mapping.required("", _ONE)
    prefix = mapping.optional_text("prefix") if prefixed else ""
    if expression:
        if prefixed and prefix is not None:
            problem = "may not be specified when expression is set"
            raise mapping.invalid("prefix", prefix, problem)
        return UserMapping(expression=_expression(mapping, "expression", "claims"))
    if claim and prefix is None:
        raise mapping.required(
            "prefix",
            "prefix is required when claim is set. It can be set to an empty string to disable "
            "prefixing",
        )
    return UserMapping(claim, prefix or "")


def _extra(mappings: Fields) -> tuple[tuple[str, Expression], ...]:
    extra: dict[str, Expression] = {}
    for entry in mappings.objects("extra"):
        entry.know("key", "valueExpression")
        key = entry.text("key")
        _check_extra_key(entry, key)
        if key in extra:
            raise entry.duplicate("key", key)
        if not entry.text("valueExpression"):
            raise entry.required("valueExpression")
        extra[key] = _expression(entry, "valueExpression", "claims")
    return tuple(extra.items())


def _check_extra_key(entry: Fields, key: str) -> None:
    if not key:
        raise entry.required("key")
    domain, _, path = key.partition("/")
    if not domain or not path:
        problem = 'must be a domain-prefixed path (such as "acme.io/foo")'
        raise entry.invalid("key", key, problem)
    problems: tuple[tuple[Callable[[], bool], str], ...] = (
        (lambda: not _SUBDOMAIN.fullmatch(domain), "a lowercase RFC 1123 subdomain must consist"),
        (lambda: not _PATH.fullmatch(path), "Invalid path"),
        (lambda: key != key.lower(), "must be lowercase"),
        (
            lambda: f".{domain}".endswith((".kubernetes.io", ".k8s.io")),
            "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use",
        ),
    )
    for wrong, problem in problems:
        if wrong():
            raise entry.invalid("key", key, problem)


def _check_email(authenticator: JwtAuthenticator, mappings: Fields) -> None:
    """An address that nobody verified is nobody's name."""
    username = authenticator.username.expression
    if username is None or not _EMAIL.search(username.text):
        return
    looked_at = [username, *(expression for _, expression in authenticator.extra)]
    looked_at += [rule.expression for rule in authenticator.claim_rules]
    if not any(_EMAIL_VERIFIED.search(expression.text) for expression in looked_at):
        raise mappings.object("username").invalid(
            "expression",
            username.text,
            "claims.email_verified must be used in claimMappings.username.expression or "
            "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when "
            "claims.email is used in claimMappings.username.expression",
        )
