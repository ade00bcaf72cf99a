"""What a verifier makes of many subjects for one trust.

It is asked by its own rules, with a token for each subject that has nothing against it but the
subject. Of subjects that the trust does not tell apart, the shortest and the longest are asked
about, for limits of length: if they fare alike, all do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.lint.faultless_token import present
from spire_bridge.cloud.lint.question import Asking
from spire_bridge.cloud.rule import Clause
from spire_bridge.cloud.subjects import SubjectIndex


@dataclass(frozen=True, slots=True)
class Answers:
    """The accepted subjects; and by the name of the clause, others that are meant and refused."""

    accepted: set[str] = field(default_factory=set)
    refused: dict[str, list[tuple[str, Clause]]] = field(default_factory=lambda: defaultdict(list))

    def note(
        self, subjects: Sequence[str], failed: Clause | None, expectation: Expectation
    ) -> None:
        """Notes what became of subjects that fared alike."""
        if failed is None:
            self.accepted.update(subjects)
        elif failed.name not in expectation.selecting:
            self.refused[failed.name].extend((subject, failed) for subject in subjects)


def ask(item: Asking, index: SubjectIndex, now: float) -> Answers:
    """Asks about all subjects that the trust may be meant for; `now` in seconds since the epoch."""
    answers = Answers()
    for expectation in item.expectations:
        _ask(item, expectation, index, now, answers)
    return answers


def _ask(
    item: Asking, expectation: Expectation, index: SubjectIndex, now: float, answers: Answers
) -> None:
    evaluate, trust = item.description.verifier.rules.evaluate, item.description.trust

    def failed(subject: str) -> Clause | None:
        return evaluate(present(expectation, subject, now), trust).failed

    subjects = index.within(expectation.subjects)
    if expectation.is_decided and len(subjects) > 2:
        shortest, longest = failed(min(subjects, key=len)), failed(max(subjects, key=len))
        if _name(shortest) == _name(longest):
            answers.note(subjects, longest, expectation)
            return
    for subject in subjects:
        answers.note((subject,), failed(subject), expectation)


def _name(failed: Clause | None) -> str | None:
    return failed.name if failed is not None else None
