"""Which subjects the descriptions accept: none, one or several of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from spire_bridge.cloud.lint.answers import Answers, ask
from spire_bridge.cloud.lint.naming import some, subjects_are
from spire_bridge.cloud.lint.question import Asking, Question
from spire_bridge.cloud.lint_finding import LintFinding, Severity
from spire_bridge.cloud.presented_token import shown
from spire_bridge.cloud.subjects import SubjectIndex


def lint_acceptance(asking: Sequence[Asking], question: Question) -> Iterator[LintFinding]:
    """Subjects that are refused against a description's meaning, or not accepted just once."""
    index = SubjectIndex(question.subjects)
    accepting: dict[str, list[int]] = {subject: [] for subject in index}
    for number, item in enumerate(asking):
        answers = ask(item, index, question.now)
        for subject in answers.accepted:
            accepting[subject].append(number)
        yield from _refused(item, answers)
        if not answers.accepted:
            yield _accepts_none(item, len(index))
        question.progress(number + 1, len(asking))
    yield from _by_none(accepting, question)
    yield from _by_several(accepting, asking, question)


def _refused(item: Asking, answers: Answers) -> Iterator[LintFinding]:
    for name, listed in answers.refused.items():
        refused = [(s, clause) for s, clause in listed if s not in answers.accepted]
        if not refused:
            continue
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
        f"it accepts no subject of those that are listed ({count:,})",
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
    """One finding for each set of descriptions at one verifier."""
    together: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for subject, numbers in accepting.items():
        at_verifier: dict[str, list[int]] = defaultdict(list)
        for number in numbers:
            at_verifier[asking[number].description.verifier.key].append(number)
        for several in at_verifier.values():
            if len(several) > 1:
                together[tuple(several)].append(subject)
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
