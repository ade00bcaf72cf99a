"""A verifier's rules as data, and what comes of putting them to a token, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

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


class Check(NamedTuple):
    """What one rule came to: what it found and what it wanted, for a person to read.

    Passed if there is no `refusal`. `fix` says what to do about a refusal. `assumed` says that
    this outcome, other than the rule, rests on no public document. (A tuple, as a verdict
    is: a frozen dataclass takes four times as long to make, and a verdict has dozens of these.)
    """

    found: str = ""
    wanted: str = ""
    refusal: Refusal | None = None
    fix: str = ""
    assumed: bool = False


_NO_CHECK = Check()


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


class Clause(NamedTuple):
    """A rule as it came out for one case."""

    name: str
    outcome: Outcome
    source: str
    assumed: bool
    check: Check = _NO_CHECK


class Verdict(NamedTuple):
    """What a verifier says to a token, clause by clause in its own order.

    `trust` names the configuration that was asked about. `checks` are what the rules came to,
    up to the one that stopped it. `identity` is who the caller is to the verifier from then
    on; empty if it is refused.
    """

    verifier: str
    trust: str
    rules: tuple[Rule[Any], ...]
    checks: tuple[Check, ...]
    identity: Mapping[str, Any]

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """The rules as they came out: made when asked for, which few do who ask thousands."""
        reached = len(self.checks)
        return (
            *map(_clause, self.rules, self.checks),
            *(
                Clause(r.name, Outcome.NOT_REACHED, r.source, r.assumed)
                for r in self.rules[reached:]
            ),
        )

    @property
    def accepted(self) -> bool:
        return self.refusal is None

    @property
    def failed(self) -> Clause | None:
        """The clause at which the verifier stopped."""
        if self.accepted:
            return None
        return _clause(self.rules[len(self.checks) - 1], self.checks[-1])

    @property
    def refusal(self) -> Refusal | None:
        """What the verifier answered."""
        return self.checks[-1].refusal if self.checks else None


def _clause(rule: Rule[Any], check: Check) -> Clause:
    outcome = Outcome.PASSED if check.refusal is None else Outcome.FAILED
    return Clause(rule.name, outcome, rule.source, rule.assumed or check.assumed, check)


def judge(
    verifier: str,
    trust: str,
    rules: tuple[Rule[C], ...],
    case: C,
    identity: Callable[[C], Mapping[str, Any]],
) -> Verdict:
    """Puts the rules to the case one after the other, up to the first that fails.

    `identity` is asked only for a case that has passed them all.
    """
    checks: list[Check] = []
    for rule in rules:
        check = rule.check(case)
        checks.append(check)
        if check.refusal is not None:
            return Verdict(verifier, trust, rules, tuple(checks), {})
    return Verdict(verifier, trust, rules, tuple(checks), identity(case))
