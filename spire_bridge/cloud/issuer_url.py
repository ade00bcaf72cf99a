"""What each verifier demands of an issuer's URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from spire_bridge.cloud.aws.limits import MAX_URL_CHARACTERS
from spire_bridge.cloud.entra.limits import MAX_FIELD_CHARACTERS
from spire_bridge.cloud.finding import Finding
from spire_bridge.cloud.kubernetes import issuer_rules
from spire_bridge.issuer.url import IssuerUrl


@dataclass(frozen=True, slots=True)
class _Clause:
    verifier: str
    refuses: Callable[[str, SplitResult], bool]
    reason: str
    source: str


_AWS = "AWS IAM: CreateOpenIDConnectProvider, parameter Url"
_GOOGLE = "Google Cloud IAM: WorkloadIdentityPoolProvider, oidc.issuerUri"
_ENTRA = "Microsoft Graph: federatedIdentityCredential, issuer"

_CLAUSES = (
    _Clause("AWS", lambda _, url: url.scheme != "https", "the URL must be https", _AWS),
    _Clause("AWS", lambda _, url: url.port is not None, "the URL must not have a port", _AWS),
    _Clause(
        "AWS",
        lambda text, _: len(text) > MAX_URL_CHARACTERS,
        f"the URL is longer than {MAX_URL_CHARACTERS} characters",
        _AWS,
    ),
    _Clause("Google", lambda _, url: url.scheme != "https", "the URL must be https", _GOOGLE),
    _Clause("Entra", lambda _, url: url.scheme != "https", "the URL must be https", _ENTRA),
    _Clause(
        "Entra",
        lambda text, _: len(text) > MAX_FIELD_CHARACTERS,
        f"the URL is longer than {MAX_FIELD_CHARACTERS} characters",
        _ENTRA,
    ),
    *(
        _Clause("Kubernetes", refuses, reason, issuer_rules.SOURCE)
        for refuses, reason in issuer_rules.URL_RULES
    ),
)


def check_issuer_url(issuer: IssuerUrl) -> tuple[Finding, ...]:
    """The verifiers that would refuse `issuer`; none if all accept it."""
    url = urlsplit(issuer.text)
    return tuple(
        Finding(clause.verifier, clause.reason, clause.source)
        for clause in _CLAUSES
        if clause.refuses(issuer.text, url)
    )
