"""What a load is told to expect, and what it has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

# Findings that are kept whole; beyond them only the count goes on.
MAX_FAILURES = 50


class Absence(StrEnum):
    """Whether the service may be away for the moment, and how it went."""

    NONE = "none"
    STOPPED = "stopped"  # as it was asked to: no request may be lost that it has taken
    KILLED = "killed"


class Kind(StrEnum):
    """How a read failed."""

    REFUSED = "refused"  # nobody listens
    PARTED = "parted"  # a kept connection ended before any answer: clients ask again (RFC 9112)
    CUT = "cut"  # a fresh connection ended before its answer, or an answer in its middle
    LATE = "late"
    HANDSHAKE = "handshake"
    STATUS = "status"
    DISCOVERY = "discovery"  # other bytes than at first
    KEYS = "keys"  # another set than one expected, or other bytes than the same set had before


_DURING: dict[Absence, frozenset[Kind]] = {
    Absence.NONE: frozenset(),
    Absence.STOPPED: frozenset({Kind.REFUSED, Kind.PARTED}),
    Absence.KILLED: frozenset({Kind.REFUSED, Kind.PARTED, Kind.CUT, Kind.HANDSHAKE}),
}


@dataclass(frozen=True)
class Expectation:
    """What reads may find from now on: any of these sets of key IDs.

    With `one_more` also one of them and a key that is being made, whose ID nobody knows
    yet. Nothing else may be answered even during an absence. Certificates are verified
    unless `verified` is false.
    """

    key_sets: frozenset[frozenset[str]]
    one_more: bool = False
    absence: Absence = Absence.NONE
    verified: bool = True

    def includes(self, key_set: frozenset[str]) -> bool:
        known = self.key_sets
        grown = self.one_more and any(s < key_set and len(key_set - s) == 1 for s in known)
        return key_set in known or grown

    def allows(self, kind: Kind) -> bool:
        return kind in _DURING[self.absence]


@dataclass(frozen=True)
class Failure:
    """A read that failed, so many seconds after the load's beginning."""

    at_seconds: float
    kind: Kind
    path: str
    fresh: bool
    what: str


@dataclass
class Tally:
    """The load so far. `away` counts failures of a kind that a declared absence allows.

    `good` are the reads answered right, `fresh` those of them on a new connection.
    """

    seconds: float = 0.0
    good: int = 0
    fresh: int = 0
    slowest_seconds: float = 0.0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    away: dict[Kind, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Reads that have ended, in whatever way: what the service was under."""
        ended = self.good + self.failed + sum(self.away.values())
        return ended / self.seconds if self.seconds else 0.0

    def note(self, failure: Failure) -> None:
        self.failed += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(failure)
