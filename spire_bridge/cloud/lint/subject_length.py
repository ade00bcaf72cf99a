"""Subjects that are longer than a verifier, or the standard, takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spire_bridge.cloud.entra import limits as entra
from spire_bridge.cloud.google import limits as google
from spire_bridge.cloud.lint.naming import some, subjects_are
from spire_bridge.cloud.lint_finding import LintFinding, Severity

MAX_OIDC_SUBJECT_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class _Limit:
    characters: int
    severity: Severity
    rule: str
    says: str
    fix: str


# A SPIFFE ID is ASCII: its characters are its bytes.
_LIMITS = (
    _Limit(
        entra.MAX_FIELD_CHARACTERS,
        Severity.WARNING,
        "subject-too-long-for-entra",
        f"longer than the {entra.MAX_FIELD_CHARACTERS} characters that a federated identity "
        "credential holds",
        "shorten the path of the SPIFFE ID",
    ),
    _Limit(
        MAX_OIDC_SUBJECT_CHARACTERS,
        Severity.WARNING,
        "subject-too-long-for-oidc",
        f"longer than the {MAX_OIDC_SUBJECT_CHARACTERS} characters of OpenID Connect Core, "
        "section 2: a verifier may refuse or cut them",
        "shorten the path of the SPIFFE ID",
    ),
    _Limit(
        google.MAX_SUBJECT_BYTES,
        Severity.NOTE,
        "subject-too-long-for-google",
        f"longer than the {google.MAX_SUBJECT_BYTES} bytes of google.subject",
        "map google.subject to a part of the subject that is unique, "
        "such as assertion.sub.extract('spiffe://example.org/{path}')",
    ),
)


def lint_lengths(subjects: Mapping[str, str]) -> Iterator[LintFinding]:
    """One finding for each limit that subjects exceed, at the place of the first of them."""
    for limit in _LIMITS:
        exceeding = [subject for subject in subjects if len(subject) > limit.characters]
        if exceeding:
            yield LintFinding(
                limit.rule,
                limit.severity,
                subjects[exceeding[0]],
                f"{subjects_are(len(exceeding))} {limit.says}: {some(exceeding)}",
                limit.fix,
            )
