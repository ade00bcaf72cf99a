"""Which subjects the descriptions accept: none, one or several of them.

Asked of the verifiers' own rules, with a token for each subject that has nothing against it
but the subject.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.lint.faultless_token import present
from spire_bridge.cloud.lint.naming import some, subjects_are
from spire_bridge.cloud.lint.question import Asking, Question
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.rule import Clause
from spire_bridge.cloud.subjects import SubjectIndex


@dataclass(frozen=True, slots=True)
class _Answers:
    """What became of the subjects: the accepted, and what refuses others that are meant."""

    accepted: set[str] = field(default_factory=set)
    refused: dict[str, list[tuple[str, Clause]]] = field(default_factory=lambda: defaultdict(list))

    def note(
        self, subjects: Sequence[str], failed: Clause | None, expectation: Expectation
    ) -> None:
        """Notes what became of subjects with which it is the same."""
        if failed is None:
            self.accepted.update(subjects)
        elif failed.name not in expectation.selecting:
            self.refused[failed.name].extend((subject, failed) for subject in subjects)


def lint_acceptance(asking: Sequence[Asking], question: Question) -> Iterator[LintFinding]:
    """Subjects that are refused against a description's meaning, or not accepted just once."""
    index = SubjectIndex(question.subjects)
    accepting: dict[str, list[int]] = {subject: [] for subject in index}
    for number, item in enumerate(asking):
        answers = _Answers()
        for expectation in item.expectations:
            _ask(item, expectation, index, question.now, answers)
        for subject in answers.accepted:
            accepting[subject].append(number)
        yield from _refused(item, answers)
        if not answers.accepted:
            yield _accepts_none(item, len(index))
        question.progress(number + 1, len(asking))
    yield from _by_none(accepting, question)
    yield from _by_several(accepting, asking, question)


def _ask(
    item: Asking, expectation: Expectation, index: SubjectIndex, now: float, answers: _Answers
) -> None:
    evaluate, trust = item.description.verifier.rules.evaluate, item.description.trust

    def failed(subject: str) -> Clause | None:
        return evaluate(present(expectation, subject, now), trust).failed

    subjects = index.within(expectation.subjects)
    if expectation.is_decided and len(subjects) > 2:
        shortest, longest = min(subjects, key=len), max(subjects, key=len)
        for_shortest, for_longest = failed(shortest), failed(longest)
        if _name(for_shortest) == _name(for_longest):
            answers.note(subjects, for_longest, expectation)
            return
    for subject in subjects:
        answers.note((subject,), failed(subject), expectation)


def _name(failed: Clause | None) -> str | None:
    return failed.name if failed is not None else None


def _refused(item: Asking, answers: _Answers) -> Iterator[LintFinding]:
    for name, refused in answers.refused.items():
        _, clause = refused[0]
        refusal = clause.check.refusal
        assert refusal is not None
        yield LintFinding(
            "subject-refused",
            Severity.ERROR,
            item.place,
            f"{subjects_are(len(refused))} refused by the clause {name!r} "
            f"({shown(refusal.message)}): {some([subject for subject, _ in refused])}",
            clause.check.fix,
        )


def _accepts_none(item: Asking, count: int) -> LintFinding:
    return LintFinding(
        "accepts-none",
        Severity.NOTE,
        item.place,
        f"it accepts none of the {count:,} subjects",
        "if it is meant for one of them, compare the subject that it names",
    )


def _by_none(accepting: dict[str, list[int]], question: Question) -> Iterator[LintFinding]:
    subjects = [subject for subject, numbers in accepting.items() if not numbers]
    if subjects:
        yield LintFinding(
            "accepted-by-none",
            Severity.NOTE,
            question.subjects[subjects[0]],
            f"{subjects_are(len(subjects))} accepted by no description: {some(subjects)}",
            "describe what they may become, if anything",
        )


def _by_several(
    accepting: dict[str, list[int]], asking: Sequence[Asking], question: Question
) -> Iterator[LintFinding]:
    """One finding for each set of descriptions."""
    together: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for subject, numbers in accepting.items():
        if len(numbers) > 1:
            together[tuple(numbers)].append(subject)
    for accepted_by, subjects in together.items():
        places = [asking[number].place for number in accepted_by]
        yield LintFinding(
            "accepted-by-several",
            Severity.NOTE,
            question.subjects[subjects[0]],
            f"{subjects_are(len(subjects))} accepted by {len(places)} descriptions "
            f"({some(places)}): {some(subjects)}",
            "no harm if each of them is meant",
        )
