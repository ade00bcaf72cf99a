"""What a reviewer should look at in federated credentials, and which subjects they can't take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from spire_bridge.cloud.entra import limits
from spire_bridge.cloud.entra.trust import EntraTrust, FederatedCredential
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.presented_token import shown

_AUDIENCES_OF_OTHERS = frozenset({"sts.amazonaws.com", "vault", "kubernetes"})


def lint(trust: EntraTrust) -> Iterator[LintFinding]:
    """Findings about the description alone."""
    yield from _count(trust)
    yield from _case(trust)
    for credential in trust.credentials:
        yield from _credential(credential, f"{trust.name}: {credential.name or 'credential'}")


def lint_subjects(trust: EntraTrust, subjects: Iterable[str]) -> Iterator[LintFinding]:
    """Subjects that no credential can name, and more of them than one application has room for."""
    count = 0
    for subject in subjects:
        count += 1
        if len(subject) > limits.MAX_FIELD_CHARACTERS:
            yield LintFinding(
                "entra-subject-size",
                Severity.ERROR,
                f"{trust.name}: {shown(subject)}",
                f"the subject has {len(subject)} characters;"
                f" {limits.MAX_FIELD_CHARACTERS} are allowed",
                "give the workload a shorter SPIFFE ID",
            )
    if count > limits.MAX_CREDENTIALS:
        applications = -(-count // limits.MAX_CREDENTIALS)
        yield LintFinding(
            "entra-subject-count",
            Severity.NOTE,
            trust.name,
            f"{count} subjects need a credential each, and an application has"
            f" {limits.MAX_CREDENTIALS} at most",
            f"spread them over {applications} applications, or let several share a SPIFFE ID",
        )


def _count(trust: EntraTrust) -> Iterator[LintFinding]:
    count = len(trust.credentials)
    if not count:
        yield LintFinding(
            "entra-no-credentials",
            Severity.ERROR,
            trust.name,
            "the application has no federated credential, and refuses every token",
            "add one for each SPIFFE ID",
        )
    elif count == limits.MAX_CREDENTIALS:
        yield LintFinding(
            "entra-credentials-full",
            Severity.WARNING,
            trust.name,
            f"the application has {count} credentials, which is the limit",
            "use another application for the next SPIFFE ID",
        )


def _case(trust: EntraTrust) -> Iterator[LintFinding]:
    folded = Counter(
        (c.issuer, c.subject.casefold()) for c in trust.credentials if not c.expression
    )
    for (_, subject), count in folded.items():
        if count > 1:
            yield LintFinding(
                "entra-subject-case",
                Severity.WARNING,
                trust.name,
                f"{count} credentials have subjects that differ by case alone: {shown(subject)}",
                "keep the one with the case of the SPIFFE ID",
            )


def _credential(credential: FederatedCredential, place: str) -> Iterator[LintFinding]:
    if credential.expression:
        yield LintFinding(
            "entra-flexible-credential",
            Severity.ERROR,
            place,
            "expressions are for issuers of GitHub, GitLab and Terraform Cloud only",
            "use a subject, one credential for each SPIFFE ID",
        )
    if not credential.issuer.startswith("https://"):
        yield LintFinding(
            "entra-issuer-scheme",
            Severity.ERROR,
            place,
            "the issuer is no https URL",
            "serve the issuer under https, and name it so in SPIRE's jwt_issuer",
        )
    for audience in credential.audiences:
        if audience in _AUDIENCES_OF_OTHERS:
            yield LintFinding(
                "entra-shared-audience",
                Severity.WARNING,
                place,
                f"tokens for {shown(audience)} are accepted here, too",
                f"use {limits.DEFAULT_AUDIENCE}",
            )
        elif audience != limits.DEFAULT_AUDIENCE:
            yield LintFinding(
                "entra-own-audience",
                Severity.NOTE,
                place,
                f"the audience is {shown(audience)}, not {limits.DEFAULT_AUDIENCE}",
                "fetch SVIDs with that audience",
            )
