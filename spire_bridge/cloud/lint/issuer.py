"""What verifiers would refuse of an issuer's URL and documents."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from spire_bridge.cloud.finding import Finding
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.issuer_url import check_issuer_url
from spire_bridge.cloud.key_set import check_served_keys
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.presented_token import shown
from spire_bridge.issuer.url import InvalidIssuerUrl, IssuerUrl

# The verifiers of the descriptions, as findings about issuers name them.
_NAMES = {"aws": "AWS", "gcp": "Google", "azure": "Entra", "kubernetes": "Kubernetes"}


def lint_issuer(
    url: str, documents: IssuerDocuments, verifiers: Collection[str]
) -> Iterator[LintFinding]:
    """An error where one of `verifiers`, by their keys, would refuse; a warning for others."""
    asked = {_NAMES[key] for key in verifiers if key in _NAMES}
    try:
        issuer = IssuerUrl.parse(url)
    except InvalidIssuerUrl as error:
        yield LintFinding("issuer-url", Severity.ERROR, url, error.message, error.hint or "")
        return
    for rule, findings, fix in (
        ("issuer-url", check_issuer_url(issuer), "serve the issuer under a URL that all accept"),
        ("issuer-keys", check_served_keys(documents), "see docs/key-sets.md"),
    ):
        for finding in findings:
            yield _finding(rule, finding, url, finding.verifier in asked, fix)
    if documents.issuer is not None and documents.issuer != url:
        yield LintFinding(
            "issuer-spelling",
            Severity.ERROR,
            url,
            f"its discovery document says that the issuer is {shown(documents.issuer)}",
            "use the issuer's URL byte for byte, its last slash included",
        )


def _finding(rule: str, finding: Finding, url: str, is_asked: bool, fix: str) -> LintFinding:
    severity = Severity.ERROR if is_asked else Severity.WARNING
    message = f"{finding.verifier}: {finding.reason} ({finding.source})"
    return LintFinding(rule, severity, url, message, fix)
