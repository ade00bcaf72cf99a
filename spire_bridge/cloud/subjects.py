"""Which of many subjects a trust may be meant for, found without trying each of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Self

_WILDCARDS = frozenset("*?")


@dataclass(frozen=True, slots=True)
class SubjectBound:
    """The subjects that a trust accepts at most: each is one of `exact`, or begins as one of
    `prefixes` does. The prefix "" admits any.
    """

    exact: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()

    @classmethod
    def any(cls) -> Self:
        return cls(prefixes=frozenset({""}))

    @classmethod
    def globs(cls, patterns: Iterable[str]) -> Self:
        """Patterns with `*` and `?`; one without them is the subject itself."""
        exact: set[str] = set()
        prefixes: set[str] = set()
        for pattern in patterns:
            prefix = "".join(takewhile(lambda c: c not in _WILDCARDS, pattern))
            (exact if prefix == pattern else prefixes).add(prefix)
        return cls(frozenset(exact), frozenset(prefixes))

    def __or__(self, other: SubjectBound) -> SubjectBound:
        return SubjectBound(self.exact | other.exact, self.prefixes | other.prefixes)


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
        if "" in bound.prefixes:
            return self._sorted
        found = set(bound.exact & self._all)
        for prefix in bound.prefixes:
            found.update(self._beginning_with(prefix))
        return sorted(found)

    def _beginning_with(self, prefix: str) -> Iterator[str]:
        start = bisect_left(self._sorted, prefix)
        for position in range(start, len(self._sorted)):
            if not self._sorted[position].startswith(prefix):
                return
            yield self._sorted[position]
