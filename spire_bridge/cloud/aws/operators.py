"""The condition operators of IAM policies, each as what it makes of one value of a policy."""

from __future__ import annotations

import ipaddress
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spire_bridge.cloud.aws.pattern import Matcher, arn_matcher, matcher

SOURCE = "AWS IAM User Guide: IAM JSON policy elements, condition operators"


@dataclass(frozen=True, slots=True)
class Operator:
    """`compile` makes a test of a policy's value; None if that value is none for it.

    `negated` operators are satisfied by what matches none of the policy's values.
    Values of a `pattern` have wildcards; `variables` says that they may have policy variables.
    """

    compile: Callable[[str], Matcher | None]
    negated: bool = False
    variables: bool = False
    pattern: bool = False


def equal(value: str) -> Matcher:
    """A test for the very same text."""
    return lambda found: found == value


def _equal_ignoring_case(value: str) -> Matcher:
    folded = value.casefold()
    return lambda found: found.casefold() == folded


def _boolean(value: str) -> Matcher | None:
    folded = value.lower()
    return _equal_ignoring_case(folded) if folded in ("true", "false") else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _moment(text: str) -> float | None:
    """A date of ISO 8601, or seconds since the epoch."""
    number = _number(text)
    if number is not None:
        return number
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _compared(
    read: Callable[[str], float | None], compare: Callable[[Any, Any], bool]
) -> Callable[[str], Matcher | None]:
    def compile_value(value: str) -> Matcher | None:
        limit = read(value)
        if limit is None:
            return None

        def matches(found: str) -> bool:
            number = read(found)
            return number is not None and compare(number, limit)

        return matches

    return compile_value


def _address(value: str) -> Matcher | None:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None

    def matches(found: str) -> bool:
        try:
            return ipaddress.ip_address(found) in network
        except ValueError:
            return False

    return matches


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}

OPERATORS: dict[str, Operator] = {
    "StringEquals": Operator(equal, variables=True),
    "StringNotEquals": Operator(equal, negated=True, variables=True),
    "StringEqualsIgnoreCase": Operator(_equal_ignoring_case, variables=True),
    "StringNotEqualsIgnoreCase": Operator(_equal_ignoring_case, negated=True, variables=True),
    "StringLike": Operator(matcher, variables=True, pattern=True),
    "StringNotLike": Operator(matcher, negated=True, variables=True, pattern=True),
    "ArnEquals": Operator(arn_matcher, variables=True, pattern=True),
    "ArnLike": Operator(arn_matcher, variables=True, pattern=True),
    "ArnNotEquals": Operator(arn_matcher, negated=True, variables=True, pattern=True),
    "ArnNotLike": Operator(arn_matcher, negated=True, variables=True, pattern=True),
    "Bool": Operator(_boolean),
    "BinaryEquals": Operator(equal),
    "IpAddress": Operator(_address),
    "NotIpAddress": Operator(_address, negated=True),
    "NumericNotEquals": Operator(_compared(_number, operator.eq), negated=True),
    "DateNotEquals": Operator(_compared(_moment, operator.eq), negated=True),
    **{f"Numeric{n}": Operator(_compared(_number, c)) for n, c in _COMPARISONS.items()},
    **{f"Date{n}": Operator(_compared(_moment, c)) for n, c in _COMPARISONS.items()},
}
