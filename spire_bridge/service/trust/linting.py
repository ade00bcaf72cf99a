"""Linting: subjects, an issuer and descriptions of trust become findings, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spire_bridge.cloud.lint.issuer import lint_issuer
from spire_bridge.cloud.lint.lint import lint
from spire_bridge.cloud.lint.question import Question, ignore_progress
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.terraform.described import Open
from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.service.trust.descriptions import ReadTrust
from spire_bridge.service.trust.issuer_reading import ReadIssuer
from spire_bridge.service.trust.subject_list import SubjectList

_ORDER = tuple(Severity)


@dataclass(frozen=True, slots=True)
class NamedIssuer:
    """An issuer as it was read; `url` is None if a saved one does not say it."""

    url: str | None
    read: ReadIssuer


def find_all(
    trust: ReadTrust,
    subjects: SubjectList,
    issuer: NamedIssuer | None,
    *,
    now: float,
    progress: Callable[[int, int], None] = ignore_progress,
) -> tuple[LintFinding, ...]:
    """All findings, by severity, and else in the order in which things were named."""
    url = issuer.url if issuer is not None else None
    findings = [
        *subjects.findings,
        *map(_invalid, trust.invalid),
        *map(_left_open, trust.open),
        *(_about(issuer, trust.descriptions) if issuer is not None else ()),
        *lint(Question(trust.descriptions, subjects.places, url, now, progress)),
    ]
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def _invalid(error: InvalidTrust) -> LintFinding:
    place, _, message = error.message.partition(": ")
    hint = error.hint or "write it as the verifier's own tools print it"
    return LintFinding("invalid-description", Severity.ERROR, place, message, hint)


def _left_open(item: Open) -> LintFinding:
    return LintFinding(
        "known-after-apply",
        Severity.NOTE,
        item.address,
        f"it can't be looked at: {item.reason}",
        "lint the state once the plan was applied",
    )


def _about(issuer: NamedIssuer, descriptions: Sequence[TrustDescription]) -> Sequence[LintFinding]:
    documents = issuer.read.documents
    verifiers = {description.verifier.key for description in descriptions}
    findings = []
    if documents.problem:
        findings.append(
            LintFinding(
                "issuer-unreadable",
                Severity.WARNING if issuer.read.is_unavailable else Severity.ERROR,
                issuer.url or "the saved issuer",
                documents.problem,
                "verifiers must be able to read both documents",
            )
        )
    if issuer.url is not None:
        findings.extend(lint_issuer(issuer.url, documents, verifiers))
    return findings
