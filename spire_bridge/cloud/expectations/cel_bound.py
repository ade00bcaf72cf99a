"""The subjects that a CEL condition can admit at most, where it says so plainly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from spire_bridge.cloud.subjects import SubjectBound

_QUOTED = r"""(?:'([^'\\]*)'|"([^"\\]*)")"""


@dataclass(frozen=True, slots=True)
class CelBound:
    """A bound. `is_all` says that the conditions say nothing else."""

    subjects: SubjectBound
    is_all: bool


def bound_of(conditions: Iterable[str], subject: str) -> CelBound:
    """The bound by the first conjunct that compares `subject`, such as `assertion.sub`, with a
    text or the beginning of one; otherwise any subject.
    """
    name = re.escape(subject)
    equals = re.compile(rf"{name}\s*==\s*{_QUOTED}")
    begins = re.compile(rf"{name}\s*\.\s*startsWith\(\s*{_QUOTED}\s*\)")
    conjuncts = _conjuncts(conditions)
    for conjunct in conjuncts:
        if match := equals.fullmatch(conjunct):
            bound = SubjectBound(exact=frozenset({match[1] or match[2] or ""}))
        elif match := begins.fullmatch(conjunct):
            bound = SubjectBound.beginning_with(match[1] or match[2] or "")
        else:
            continue
        return CelBound(bound, len(conjuncts) == 1)
    return CelBound(SubjectBound.any(), not conjuncts)


def _conjuncts(conditions: Iterable[str]) -> list[str]:
    """Parts that all have to be true; what holds other operators is taken whole."""
    parts: list[str] = []
    for condition in conditions:
        is_plain = "||" not in condition and "?" not in condition
        parts += condition.split("&&") if is_plain else [condition]
    return [part.strip() for part in parts if part.strip()]
