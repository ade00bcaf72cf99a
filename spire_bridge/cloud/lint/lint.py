"""All that can be found in descriptions of trust, alone, beside each other, and for subjects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from spire_bridge.cloud.lint.acceptance import lint_acceptance
from spire_bridge.cloud.lint.agreement import lint_agreement
from spire_bridge.cloud.lint.question import Asking, Question
from spire_bridge.cloud.lint.subject_length import lint_lengths
from spire_bridge.cloud.lint_finding import LintFinding
from spire_bridge.cloud.trust_description import TrustDescription


def lint(question: Question) -> Iterator[LintFinding]:
    """The findings, those about one description first."""
    for description in question.descriptions:
        for finding in description.verifier.rules.lint(description.trust):
            yield _placed(finding, description)
    asking = [Asking.of(description) for description in question.descriptions]
    yield from lint_agreement(asking, question.issuer)
    yield from lint_lengths(question.subjects)
    if asking and question.subjects:
        yield from lint_acceptance(asking, question)


def _placed(finding: LintFinding, description: TrustDescription) -> LintFinding:
    """A verifier's own finding: its rule among those of all, its place in a file."""
    rule, prefix = finding.rule.replace(" ", "-"), f"{description.verifier.name}-"
    rule = prefix + rule.removeprefix(prefix)
    is_placed = finding.place.startswith(description.place)
    place = finding.place if is_placed else f"{description.place}: {finding.place}"
    return replace(finding, rule=rule, place=place)
