"""A verifier's rules as data, and what comes of putting them to a token, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the verifier answers then: its own code, text and HTTP status, word by word.

    `assumed` says that no public source gives these words.
    """

    code: str
    message: str
    status: int = 400
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """What one rule came to: what it found and what it wanted, for a person to read.

    Passed if there is no `refusal`. `fix` says what to do about a refusal.
    """

    found: str = ""
    wanted: str = ""
    refusal: Refusal | None = None
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Rule(Generic[C]):
    """One thing that a verifier checks of a case.

    `source` is the public document that says so. `assumed` marks what rests on no such
    document; it is never passed off as known.
    """

    name: str
    source: str
    check: Callable[[C], Check]
    assumed: bool = False


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Clause:
    """A rule as it came out for one case."""

    name: str
    outcome: Outcome
    source: str
    assumed: bool
    check: Check = field(default_factory=Check)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says to a token, clause by clause in its own order.

    `trust` names the configuration that was asked about. `identity` is who the caller is
    to the verifier from then on; empty if it is refused.
    """

    verifier: str
    trust: str
    clauses: tuple[Clause, ...]
    identity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return self.failed is None

    @property
    def failed(self) -> Clause | None:
        """The clause at which the verifier stopped."""
        return next((c for c in self.clauses if c.outcome is Outcome.FAILED), None)

    @property
    def refusal(self) -> Refusal | None:
        """What the verifier answered."""
        return self.failed.check.refusal if self.failed is not None else None


def judge(
    verifier: str,
    trust: str,
    rules: Sequence[Rule[C]],
    case: C,
    identity: Callable[[C], Mapping[str, Any]],
) -> Verdict:
    """Puts the rules to the case one after the other, up to the first that fails.

    `identity` is asked only for a case that has passed them all.
    """
    clauses: list[Clause] = []
    stopped = False
    for rule in rules:
        if stopped:
            clauses.append(Clause(rule.name, Outcome.NOT_REACHED, rule.source, rule.assumed))
            continue
        check = rule.check(case)
        stopped = check.refusal is not None
        outcome = Outcome.FAILED if stopped else Outcome.PASSED
        clauses.append(Clause(rule.name, outcome, rule.source, rule.assumed, check))
    return Verdict(verifier, trust, tuple(clauses), {} if stopped else identity(case))
