"""What is risky about an AuthenticationConfiguration, whatever token comes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spire_bridge.cloud.kubernetes.configuration import JwtAuthenticator, KubernetesTrust
from spire_bridge.cloud.lint_finding import LintFinding, Severity

# Audiences that say nothing about which cluster a token is for.
_SHARED_AUDIENCES = re.compile(
    r"(https?://)?(kubernetes(\.default(\.svc(\.cluster\.local)?)?)?|k8s|api|sts\.amazonaws\.com"
    r"|.*AzureADTokenExchange)/?",
    re.IGNORECASE,
)


def lint(trust: KubernetesTrust) -> Iterator[LintFinding]:
    """Where the configuration lets in more than it seems to, or isn't loaded at all."""
    for place in trust.unknown_fields:
        yield LintFinding(
            "unknown field",
            Severity.ERROR,
            place,
            "an API server decodes strictly and refuses a field that it does not know",
            "correct the field's name, or take it out",
        )
    for number, authenticator in enumerate(trust.authenticators):
        yield from _authenticator(authenticator, f"jwt[{number}]")


def _authenticator(authenticator: JwtAuthenticator, place: str) -> Iterator[LintFinding]:
    yield from _subjects(authenticator, place)
    yield from _system_names(authenticator, place)
    for number, audience in enumerate(authenticator.audiences):
        if _SHARED_AUDIENCES.fullmatch(audience):
            yield LintFinding(
                "audience",
                Severity.WARNING,
                f"{place}.issuer.audiences[{number}]",
                f"the audience {audience} is not of one cluster: a token for any of them is one "
                "for this",
                "set an audience that names the cluster, such as its API server's URL",
            )
    username = authenticator.username.claim
    if username and username != "sub":
        yield LintFinding(
            "username",
            Severity.WARNING,
            f"{place}.claimMappings.username.claim",
            f"the username is the claim {username}, not the SPIFFE ID in sub",
            "map sub to the username",
        )


def _subjects(authenticator: JwtAuthenticator, place: str) -> Iterator[LintFinding]:
    if authenticator.required_claims or authenticator.claim_rules or authenticator.user_rules:
        return
    yield LintFinding(
        "subject",
        Severity.WARNING,
        f"{place}.claimValidationRules",
        "every workload of the issuer is authenticated, of every cluster and tenant that it "
        "issues for",
        "require what tells yours, such as claims.sub.startsWith('spiffe://<domain>/<path>/')",
    )


def _system_names(authenticator: JwtAuthenticator, place: str) -> Iterator[LintFinding]:
    """`system:` names are Kubernetes' own; nothing but a rule keeps an issuer from giving them."""
    if any("system:" in rule.expression.text for rule in authenticator.user_rules):
        return
    for member, mapping in (
        ("username", authenticator.username),
        ("groups", authenticator.groups),
    ):
        from_claim = bool(mapping.claim) and not _keeps_from_system(mapping.prefix)
        if from_claim or mapping.expression is not None:
            yield LintFinding(
                "system names",
                Severity.ERROR if member == "groups" else Severity.WARNING,
                f"{place}.claimMappings.{member}",
                f"the issuer decides over the {member} and may give those that begin with "
                "system:, such as system:masters",
                f"set {member}.prefix, or a userValidationRule that refuses system:",
            )


def _keeps_from_system(prefix: str) -> bool:
    return bool(prefix) and not "system:".startswith(prefix) and not prefix.startswith("system:")
