"""The order of an examination, and what it makes of clocks and lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from spire_bridge.errors import BridgeError
from spire_bridge.service.doctor.clock import judge_clocks
from spire_bridge.service.doctor.context import Asked, Context
from spire_bridge.service.doctor.finding import Finding, Outcome
from spire_bridge.service.doctor.lifetime import AT_AGENT, IN_FILE, ending, is_overdue
from spire_bridge.service.doctor.walk import Check, Run, first_break, walk


def found(outcome: Outcome) -> Callable[[str], Run]:
    def named(name: str) -> Run:
        return lambda context: (context, (Finding(name, outcome, "X", "seen", exit_status=4),))

    return named


def refused(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    raise BridgeError("no\nway", hint="do")


def outcomes(*checks: Check) -> list[str]:
    return [f"{f.check} {f.outcome}" for f in walk(checks, Context(Asked()))]


def test_what_depends_on_a_failure_is_not_reached_and_nothing_else() -> None:
    checks = (
        Check("a", found(Outcome.WARN)("a")),
        Check("b", refused, needs=("a",)),
        Check("c", found(Outcome.OK)("c"), needs=("b",)),
        Check("d", found(Outcome.OK)("d"), needs=("a", "c")),
        Check("e", found(Outcome.FAIL)("e"), needs=("a",)),
    )
    assert outcomes(*checks) == ["a warn", "b fail", "c not reached", "d not reached", "e fail"]
    findings = list(walk(checks, Context(Asked())))
    assert findings[3].seen == "not reached: see b", "the cause, not what lies between"
    broken = first_break(findings)
    assert broken is not None
    assert (broken.check, broken.code, broken.exit_status) == ("b", "FAILED", 1)
    assert (broken.seen, broken.hints) == ("no\\nway", ("do",))
    assert first_break(findings[:1]) is None


def test_each_check_knows_what_those_before_it_learned() -> None:
    def learn(context: Context) -> tuple[Context, tuple[Finding, ...]]:
        return replace(context, issuer_ahead_seconds=7.0), ()

    def tell(context: Context) -> tuple[Context, tuple[Finding, ...]]:
        return context, (Finding.ok("tell", str(context.issuer_ahead_seconds)),)

    (finding,) = walk((Check("learn", learn), Check("tell", tell)), Context(Asked()))
    assert finding.seen == "7.0"


@pytest.mark.parametrize(
    ("server", "issuer", "outcome", "whose"),
    [
        (0.0, 1.0, Outcome.OK, ""),
        (60.0, -60.0, Outcome.OK, ""),
        (61.0, None, Outcome.WARN, "or the SPIRE server's"),
        (-200.0, 0.0, Outcome.WARN, "set the SPIRE server's"),
        (400.0, 10.0, Outcome.FAIL, "set the SPIRE server's"),
        (400.0, 390.0, Outcome.FAIL, "set this machine's clock: "),
        (0.0, 301.0, Outcome.FAIL, "the issuer's machine"),
        (None, -301.0, Outcome.FAIL, "or the SPIRE server's"),
        (-400.0, 400.0, Outcome.FAIL, "or the SPIRE server's"),
        (None, None, Outcome.SKIP, ""),
    ],
)
def test_of_three_clocks_the_one_that_is_alone_is_wrong(
    server: float | None, issuer: float | None, outcome: Outcome, whose: str
) -> None:
    finding = judge_clocks(server, issuer)
    assert finding.outcome is outcome
    assert whose in "".join(finding.hints)
    assert bool(finding.hints) is bool(whose)


def test_clocks_in_words() -> None:
    seen = judge_clocks(90.0, -400.0).seen
    assert seen == (
        "the SPIRE server's is 90 s ahead of this machine's,"
        " the issuer's is 400 s behind this machine's"
    )


@pytest.mark.parametrize(("share", "last"), [(AT_AGENT, 190), (IN_FILE, 250)])
def test_a_renewal_is_overdue_a_while_after_it_was_due(share: float, last: int) -> None:
    assert not is_overdue(0, 300, last, share=share)
    assert is_overdue(0, 300, last + 1, share=share)
    assert not is_overdue(None, 300, 299, share=share)


def test_an_end_in_words() -> None:
    assert (ending(300, 1), ending(300, 360)) == ("ends in 0:04:59", "ended 0:01:00 ago")
