"""What IAM's condition operators mean, one row for each way to be satisfied or not."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.aws.condition import compile_condition
from spire_bridge.cloud.aws.operators import OPERATORS
from spire_bridge.cloud.aws.pattern import matcher, quoted

KEY = "issuer.example.org:sub"
ARN = "arn:aws:iam::123456789012:role/a/b"


@dataclass
class Row:
    """An operator, the policy's values, the request's (none: the key is missing), the outcome.

    `assumed` marks what AWS' documentation does not say in so many words.
    """

    operator: str
    policy: tuple[str, ...]
    request: tuple[str, ...]
    holds: bool
    assumed: bool = False


def rows(operator: str, value: str, satisfied: str, unsatisfied: str) -> list[Row]:
    """A positive operator of single values, in every form."""
    return [
        Row(operator, (value,), (satisfied,), True),
        Row(operator, (value,), (unsatisfied,), False),
        Row(operator, ("no value of this kind", value), (satisfied,), True),
        Row(operator, (value,), (), False, assumed=True),
        Row(f"{operator}IfExists", (value,), (), True),
        Row(f"{operator}IfExists", (value,), (unsatisfied,), False),
        Row(f"ForAnyValue:{operator}", (value,), (unsatisfied, satisfied), True),
        Row(f"ForAnyValue:{operator}", (value,), (unsatisfied,), False),
        Row(f"ForAnyValue:{operator}", (value,), (), False, assumed=True),
        Row(f"ForAllValues:{operator}", (value,), (satisfied, satisfied), True),
        Row(f"ForAllValues:{operator}", (value,), (satisfied, unsatisfied), False),
        Row(f"ForAllValues:{operator}", (value,), (), True, assumed=True),
        Row(operator, (value,), (unsatisfied, satisfied), True, assumed=True),
    ]


def negated_rows(operator: str, value: str, equal: str, other: str) -> list[Row]:
    return [
        Row(operator, (value,), (equal,), False),
        Row(operator, (value,), (other,), True),
        Row(operator, (value, "no value of this kind"), (equal,), False),
        Row(operator, (value,), (), True, assumed=True),
        Row(f"{operator}IfExists", (value,), (), True),
        Row(f"{operator}IfExists", (value,), (equal,), False),
        Row(f"ForAnyValue:{operator}", (value,), (equal, other), True),
        Row(f"ForAnyValue:{operator}", (value,), (equal,), False),
        Row(f"ForAnyValue:{operator}", (value,), (), False, assumed=True),
        Row(f"ForAllValues:{operator}", (value,), (other, other), True),
        Row(f"ForAllValues:{operator}", (value,), (equal, other), False),
        Row(f"ForAllValues:{operator}", (value,), (), True, assumed=True),
        Row(operator, (value,), (equal, other), False, assumed=True),
    ]


ROWS = [
    *rows("StringEquals", "a", "a", "A"),
    *rows("StringEqualsIgnoreCase", "a", "A", "b"),
    *rows("StringLike", "spiffe://*/a?", "spiffe://x/y/ab", "spiffe://x/y/abc"),
    *rows("NumericEquals", "5", "5.0", "6"),
    *rows("NumericLessThan", "5", "4", "5"),
    *rows("NumericLessThanEquals", "5", "5", "6"),
    *rows("NumericGreaterThan", "5", "6", "5"),
    *rows("NumericGreaterThanEquals", "5", "5", "4"),
    *rows("DateEquals", "2026-01-01T00:00:00Z", "1767225600", "1767225601"),
    *rows("DateLessThan", "2026-01-01", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"),
    *rows("DateLessThanEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "1767225601"),
    *rows("DateGreaterThan", "2026-01-01T00:00:00Z", "1767225601", "1767225600"),
    *rows("DateGreaterThanEquals", "1767225600", "2026-01-01T00:00:00Z", "1767225599"),
    *rows("Bool", "true", "True", "false"),
    *rows("BinaryEquals", "QQ==", "QQ==", "qq=="),
    *rows("IpAddress", "10.0.0.0/8", "10.1.2.3", "11.0.0.1"),
    *rows("ArnEquals", "arn:aws:iam::*:role/a/*", ARN, ARN.replace("a/b", "b/a")),
    *rows("ArnLike", "arn:*:iam::123456789012:role/a/?", ARN, "arn:aws:iam:role/a/b"),
    *negated_rows("StringNotEquals", "a", "a", "A"),
    *negated_rows("StringNotEqualsIgnoreCase", "a", "A", "b"),
    *negated_rows("StringNotLike", "a*", "abc", "bc"),
    *negated_rows("NumericNotEquals", "5", "5.0", "6"),
    *negated_rows("DateNotEquals", "2026-01-01T00:00:00Z", "1767225600", "0"),
    *negated_rows("NotIpAddress", "10.0.0.0/8", "10.1.2.3", "11.0.0.1"),
    *negated_rows("ArnNotEquals", "arn:aws:iam::*:role/a/*", ARN, "x"),
    *negated_rows("ArnNotLike", "arn:aws:iam::*:role/a/*", ARN, "x"),
    Row("Null", ("true",), (), True),
    Row("Null", ("true",), ("a",), False),
    Row("Null", ("false",), (), False),
    Row("Null", ("false",), ("a",), True),
    Row("Null", ("true", "false"), ("a",), True),
    Row("StringLike", ("a*c",), ("a\nc",), True),
    Row("StringLike", ("a.c",), ("abc",), False),
    Row("StringLike", ("",), ("",), True),
    Row("StringLike", ("*",), ("",), True),
    Row("StringLike", ("**a**",), ("bab",), True),
    Row("NumericLessThan", ("5",), ("nan",), False),
    Row("ArnLike", ("arn:aws:*",), (ARN,), False),  # a wildcard stays in its part
]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.operator} {r.policy} {r.request}")
def test_operators(row: Row) -> None:
    condition = compile_condition(row.operator, KEY, row.policy)
    assert condition.problem == ""
    assert condition.holds({KEY: row.request} if row.request else {}) is row.holds
    if not row.request and row.assumed:
        assert condition.rests_on_absence({})


def test_every_operator_has_rows() -> None:
    shown = {row.operator.rpartition(":")[2].removesuffix("IfExists") for row in ROWS}
    assert shown == {*OPERATORS, "Null"}


@pytest.mark.parametrize(
    ("operator", "values", "problem"),
    [
        ("StringMatches", ("a",), "the operator StringMatches is unknown"),
        ("ForSomeValues:StringEquals", ("a",), "the operator ForSomeValues:StringEquals"),
        ("", ("a",), "is unknown"),
        ("NullIfExists", ("true",), "is unknown"),
        ("Null", ("maybe",), "can't compare"),
        ("Null", (), "can't compare"),
        ("Bool", ("maybe",), "can't compare"),
        ("NumericEquals", ("five",), "can't compare"),
        ("DateEquals", ("yesterday",), "can't compare"),
        ("IpAddress", ("somewhere",), "can't compare"),
        ("StringEquals", (), "can't compare"),
    ],
)
def test_what_is_not_understood_is_said_and_never_satisfied(
    operator: str, values: tuple[str, ...], problem: str
) -> None:
    condition = compile_condition(operator, KEY, values)
    assert problem in condition.problem
    assert problem in condition.found({KEY: ("a",)})
    assert not condition.holds({})
    assert not condition.holds({KEY: ("a",)})


@pytest.mark.parametrize("operator", ["StringEquals", "StringNotEquals", "StringLikeIfExists"])
def test_the_value_of_some_keys_is_unknown_here(operator: str) -> None:
    condition = compile_condition(operator, "aws:VpcSourceIp", ("10.0.0.1",))
    assert condition.problem == "its value in a request is not known here"
    assert not condition.holds({})


def test_the_case_of_keys_is_ignored() -> None:
    condition = compile_condition("StringEquals", "Issuer.Example.Org:SUB", ("a",))
    assert condition.holds({KEY: ("a",)})


@pytest.mark.parametrize(
    ("operator", "value", "found", "holds"),
    [
        ("StringEquals", "x/${sts:RoleSessionName}", "x/web", True),
        ("StringEquals", "x/${sts:RoleSessionName}", "x/other", False),
        ("StringLike", "*/${sts:RoleSessionName}", "a/b/web", True),
        ("StringLike", "${unknown:key}*", "anything", False),
        ("StringLike", "${unknown:key, 'x'}/*", "x/y", True),
        ("StringLike", "a${*}", "a*", True),
        ("StringLike", "a${*}", "ab", False),
        ("StringEquals", "${$}{a}", "${a}", True),
        ("StringNotEquals", "${sts:RoleSessionName}", "web", False),
        ("ArnLike", "arn:aws:iam::*:role/${sts:RoleSessionName}", "arn:aws:iam::1:role/web", True),
    ],
)
def test_policy_variables(operator: str, value: str, found: str, holds: bool) -> None:
    context = {KEY: (found,), "sts:rolesessionname": ("web",)}
    assert compile_condition(operator, KEY, (value,)).holds(context) is holds
    plain = compile_condition(operator, KEY, (value,), variables=False)
    assert plain.holds({KEY: (value.replace("*", "x"),)}) is not operator.startswith("StringNot")


def test_a_wildcard_in_a_variable_is_no_wildcard() -> None:
    condition = compile_condition("StringLike", KEY, ("${sts:RoleSessionName}",))
    assert condition.holds({KEY: ("*",), "sts:rolesessionname": ("*",)})
    assert not condition.holds({KEY: ("x",), "sts:rolesessionname": ("*",)})


def test_words_for_people() -> None:
    condition = compile_condition("StringLike", KEY, ("a*", "b"))
    assert condition.wanted() == 'StringLike ["a*", "b"]'
    assert condition.found({}) == f"{KEY} is absent"
    assert condition.found({KEY: ("x",)}) == f"{KEY} is x"
    assert condition.found({KEY: ("x", "y")}) == f'{KEY} is ["x", "y"]'


@given(
    operator=st.sampled_from([*OPERATORS, "Null", "Unknown"]),
    prefix=st.sampled_from(["", "ForAnyValue:", "ForAllValues:", "For:"]),
    suffix=st.sampled_from(["", "IfExists"]),
    policy=st.lists(st.text(), max_size=3),
    request=st.lists(st.text(), max_size=3),
)
def test_nothing_raises(
    operator: str, prefix: str, suffix: str, policy: list[str], request: list[str]
) -> None:
    condition = compile_condition(prefix + operator + suffix, KEY, tuple(policy))
    context = {KEY: tuple(request)}
    assert condition.holds(context) in (True, False)
    assert condition.found(context)


@given(pattern=st.text("ab*?", max_size=8), text=st.text("ab", max_size=8))
def test_patterns_match_as_plain_regular_expressions_do(pattern: str, text: str) -> None:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    assert matcher(pattern)(text) is (re.fullmatch(expression, text) is not None)


@given(text=st.text("ab*?", max_size=8), other=st.text("ab*?", max_size=8))
def test_a_quoted_pattern_matches_itself_alone(text: str, other: str) -> None:
    assert matcher(quoted(text))(other) is (text == other)


def test_a_hostile_pattern_takes_no_time() -> None:
    """By backtracking it would take longer than there is."""
    assert not matcher("a*" * 500 + "b")("a" * 5_000)
