"""What a reviewer should look at in a provider, and which subjects it can't take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from spire_bridge.cloud.google import limits
from spire_bridge.cloud.google.iam_policy import MappedAttributes
from spire_bridge.cloud.google.mapping import condition_roots, map_claims
from spire_bridge.cloud.google.trust import SUBJECT, GoogleTrust, ServiceAccount
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.presented_token import shown

# What other verifiers have tokens addressed to by default: those tokens would pass here, too.
_AUDIENCES_OF_OTHERS = frozenset(
    {"sts.amazonaws.com", "api://AzureADTokenExchange", "vault", "kubernetes"}
)
# Of trust domains that nobody has: a condition that takes both of them pins no subject.
_STRANGERS = ("spiffe://stranger.invalid/a", "spiffe://other-stranger.invalid/b")


def lint(trust: GoogleTrust) -> Iterator[LintFinding]:
    """Findings about the description alone."""
    yield from _condition(trust)
    yield from _audiences(trust)
    yield from _provider(trust)
    if trust.service_account is not None:
        yield from _service_account(trust, trust.service_account)


def lint_subjects(trust: GoogleTrust, subjects: Iterable[str]) -> Iterator[LintFinding]:
    """Subjects of which the mapping makes a google.subject that is too long."""
    expression = trust.mapping[SUBJECT]
    for subject in subjects:
        mapped = expression.string({"assertion": {"sub": subject}})
        if not isinstance(mapped, str):
            continue
        size = len(mapped.encode(errors="surrogatepass"))
        if size > limits.MAX_SUBJECT_BYTES:
            yield LintFinding(
                "google-subject-size",
                Severity.ERROR,
                f"{trust.name}: {shown(subject)}",
                f"google.subject would have {size} bytes; {limits.MAX_SUBJECT_BYTES} are allowed",
                "shorten it in the mapping with extract, or give the workload a shorter SPIFFE ID",
            )


def _condition(trust: GoogleTrust) -> Iterator[LintFinding]:
    place = f"{trust.name}: attributeCondition"
    fix = "write a condition that names the trust domain, such as assertion.sub.startsWith(…)"
    if trust.condition is None:
        yield LintFinding(
            "google-no-condition",
            Severity.WARNING,
            place,
            "every token of the issuer with the right audience is accepted",
            fix,
        )
    elif all(_passes(trust, subject) for subject in _STRANGERS):
        yield LintFinding(
            "google-condition-takes-all",
            Severity.WARNING,
            place,
            "the condition holds for subjects of any trust domain",
            fix,
        )


def _passes(trust: GoogleTrust, subject: str) -> bool:
    claims: dict[str, Any] = {"iss": trust.issuer, "sub": subject, "aud": list(trust.audiences)}
    mapped = map_claims(trust, claims)
    if trust.condition is None or not isinstance(mapped, MappedAttributes):
        return False
    return trust.condition.truth(condition_roots(trust, claims, mapped)) is True


def _audiences(trust: GoogleTrust) -> Iterator[LintFinding]:
    place = f"{trust.name}: oidc.allowedAudiences"
    if not trust.allowed_audiences:
        yield LintFinding(
            "google-no-audiences",
            Severity.NOTE,
            place,
            f"tokens need the provider's own name as audience: {trust.audiences[1]}",
            "fetch SVIDs with that audience, or list the one that workloads ask for",
        )
    for audience in trust.allowed_audiences:
        if audience in _AUDIENCES_OF_OTHERS:
            yield LintFinding(
                "google-shared-audience",
                Severity.WARNING,
                place,
                f"tokens for {shown(audience)} are accepted here, too",
                f"use an audience of this provider alone, such as https:{trust.exchange_audience}",
            )


def _provider(trust: GoogleTrust) -> Iterator[LintFinding]:
    if not trust.issuer.startswith("https://"):
        yield LintFinding(
            "google-issuer-scheme",
            Severity.ERROR,
            f"{trust.name}: oidc.issuerUri",
            "the issuer is no https URL",
            "serve the issuer under https, and name it so in SPIRE's jwt_issuer",
        )
    if trust.uploaded_keys is not None:
        yield LintFinding(
            "google-uploaded-keys",
            Severity.NOTE,
            f"{trust.name}: oidc.jwksJson",
            "the uploaded keys stand in for the issuer's, and don't follow their rotation",
            "upload the key set anew before SPIRE signs with a new key",
        )
    if not trust.enabled:
        yield LintFinding(
            "google-provider-disabled",
            Severity.WARNING,
            f"{trust.name}: disabled",
            "the provider is disabled or deleted, and refuses every token",
            "enable it, or leave the description out",
        )
    if not trust.provider.split("/")[1].isdecimal():
        yield LintFinding(
            "google-project-number",
            Severity.WARNING,
            f"{trust.name}: name",
            "principals and audiences name the project by its number, and this is its ID",
            "write the project's number",
        )


def _service_account(trust: GoogleTrust, account: ServiceAccount) -> Iterator[LintFinding]:
    if account.token_seconds > limits.MAX_TOKEN_SECONDS:
        yield LintFinding(
            "google-token-lifetime",
            Severity.WARNING,
            f"{trust.name}: credentialConfiguration.service_account_impersonation",
            f"tokens of more than {limits.MAX_TOKEN_SECONDS} s need an organization policy",
            "ask for an hour at most, or extend it for this account by policy",
        )
    place = f"{trust.name}: iamPolicy.bindings"
    for binding in account.policy.impersonators() if account.policy is not None else ():
        if binding.conditional:
            yield LintFinding(
                "google-conditional-binding",
                Severity.NOTE,
                place,
                f"a binding of {binding.role} has a condition, which is not evaluated",
                "expect a refusal here where Google may accept",
            )
        if f"principalSet://iam.googleapis.com/{trust.pool}/*" in binding.members:
            yield LintFinding(
                "google-pool-wide-binding",
                Severity.WARNING,
                place,
                f"every workload of the pool may become {account.email}",
                "bind a principal, or a set by an attribute",
            )
