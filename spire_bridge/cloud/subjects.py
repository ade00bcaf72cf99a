"""Which of many subjects a trust may be meant for, found without asking it about each."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Self

ANY = "*"


@dataclass(frozen=True, slots=True)
class SubjectBound:
    """The subjects that a trust accepts at most: those of `exact`, and those that match one of
    `globs`, in which `*` is any run of characters and `?`, if it is a wildcard, any one.
    """

    exact: frozenset[str] = frozenset()
    globs: frozenset[str] = frozenset()
    wildcards: str = "*?"

    @classmethod
    def any(cls) -> Self:
        return cls(globs=frozenset({ANY}))

    @classmethod
    def beginning_with(cls, prefix: str) -> Self:
        """Taken literally; no SPIFFE ID has a star in it."""
        return cls(globs=frozenset({prefix + ANY}), wildcards="*") if ANY not in prefix else cls()

    @classmethod
    def matching(cls, patterns: Iterable[str], *, wildcards: str = "*?") -> Self:
        """Patterns; one without a wildcard is the subject itself."""
        listed = frozenset(patterns)
        globs = frozenset(p for p in listed if not frozenset(wildcards).isdisjoint(p))
        return cls(listed - globs, globs, wildcards)


class SubjectIndex:
    """Many subjects, to look up those within a bound; repeated ones count once."""

    def __init__(self, subjects: Iterable[str]) -> None:
        self._sorted: Sequence[str] = sorted(set(subjects))
        self._all = frozenset(self._sorted)

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sorted)

    def within(self, bound: SubjectBound) -> Sequence[str]:
        """In their order."""
        if ANY in bound.globs:
            return self._sorted
        found = set(bound.exact & self._all)
        for glob in bound.globs:
            found.update(self._matching(glob, bound.wildcards))
        return sorted(found)

    def _matching(self, glob: str, wildcards: str) -> Iterator[str]:
        prefix = "".join(takewhile(lambda c: c not in wildcards, glob))
        candidates = self._beginning_with(prefix)
        if glob == prefix + ANY:
            return candidates
        matches = re.compile(_expression(glob, wildcards), re.DOTALL).fullmatch
        return filter(matches, candidates)

    def _beginning_with(self, prefix: str) -> Iterator[str]:
        start = bisect_left(self._sorted, prefix)
        for position in range(start, len(self._sorted)):
            if not self._sorted[position].startswith(prefix):
                return
            yield self._sorted[position]


def _expression(glob: str, wildcards: str) -> str:
    """Atomic groups: the first place for a run is as good as any later one, none is tried again."""
    runs = [re.escape(run) for run in glob.split("*")]
    if "?" in wildcards:
        runs = [run.replace(r"\?", ".") for run in runs]
    if len(runs) == 1:
        return runs[0]
    first, *middle, last = runs
    return first + "".join(f"(?>.*?{run})" for run in middle) + f".*{last}"
