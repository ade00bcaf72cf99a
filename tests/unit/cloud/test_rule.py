"""How rules become a verdict."""

from __future__ import annotations

from spire_bridge.cloud.rule import Check, Outcome, Refusal, Rule, judge


def at_least(limit: int) -> Rule[int]:
    def check(number: int) -> Check:
        refusal = None if number >= limit else Refusal("TooSmall", f"{number} is too small")
        return Check(str(number), f"at least {limit}", refusal, "take a larger one")

    return Rule(f"at least {limit}", "RFC 0", check, assumed=limit == 2)


RULES = (at_least(1), at_least(2), at_least(3))


def test_the_first_rule_that_fails_ends_it() -> None:
    verdict = judge("Counter", "numbers", RULES, 1, lambda n: {"number": n})
    assert [clause.outcome for clause in verdict.clauses] == [
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.NOT_REACHED,
    ]
    assert verdict.failed == verdict.clauses[1]
    assert verdict.refusal == Refusal("TooSmall", "1 is too small")
    assert (verdict.accepted, verdict.identity) == (False, {})
    assert [clause.assumed for clause in verdict.clauses] == [False, True, False]


def test_whoever_passes_all_has_an_identity() -> None:
    verdict = judge("Counter", "numbers", RULES, 3, lambda n: {"number": n})
    assert verdict.accepted
    assert verdict.identity == {"number": 3}
    assert verdict.refusal is None


def test_an_outcome_alone_can_be_assumed() -> None:
    rule: Rule[int] = Rule("any", "RFC 0", lambda n: Check(str(n), assumed=n > 1))
    assert [judge("C", "n", (rule,), n, lambda _: {}).clauses[0].assumed for n in (1, 2)] == [
        False,
        True,
    ]


def test_the_same_case_has_the_same_verdict() -> None:
    first, second = (judge("Counter", "numbers", RULES, 1, lambda _: {}) for _ in range(2))
    assert first == second
    assert first != judge("Counter", "numbers", RULES, 2, lambda _: {})
