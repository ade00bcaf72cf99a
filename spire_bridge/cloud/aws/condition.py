"""One condition of an IAM policy: an operator, a context key and the values it is compared with.

What an operator makes of a key that a request lacks is documented in words only: a positive
one is not satisfied, a negated one is, `IfExists` and `ForAllValues` are, `ForAnyValue` is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from spire_bridge.cloud.aws.operators import OPERATORS, Operator, equal
from spire_bridge.cloud.aws.pattern import Matcher, quoted
from spire_bridge.cloud.presented_token import shown

# The values of a request's context keys, by key in lower case: AWS ignores the case of keys.
Context = Mapping[str, Sequence[str]]
Test = Callable[[Sequence[str], Context], bool]
ValueTest = Callable[[str, Context], bool]

_VARIABLE = re.compile(r"\$\{([^},]*)(?:,\s*'([^']*)')?\}")
_LITERALS = frozenset("*?$")

# Of AWS's own keys, those whose value a web identity or a certificate determines.
_MODELLED = frozenset(
    {
        "aws:currenttime",
        "aws:epochtime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principaltype",
        "aws:securetransport",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:tagkeys",
        "aws:userid",
        "sts:roleauthorizedbyidp",
        "sts:rolesessionname",
        "sts:sourceidentity",
        "sts:transitivetagkeys",
    }
)
_MODELLED_PREFIXES = ("aws:principaltag/", "aws:requesttag/")
_AWS_PREFIXES = ("aws:", "sts:", "iam:", "ec2:", "lambda:")


class Quantifier(StrEnum):
    PLAIN = ""
    ANY = "ForAnyValue"
    ALL = "ForAllValues"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition, compiled. `problem` says why it is never satisfied here, whatever comes."""

    operator: str
    key: str
    values: tuple[str, ...]
    quantifier: Quantifier = Quantifier.PLAIN
    if_exists: bool = False
    problem: str = ""
    _test: Test = field(default=lambda _values, _context: False, repr=False, compare=False)
    _if_missing: bool = False
    _lookup: str = ""

    @property
    def name(self) -> str:
        """The operator without `ForAnyValue`, `ForAllValues` and `IfExists`."""
        return _split(self.operator)[1]

    def holds(self, context: Context) -> bool:
        """Whether a request with this context satisfies it. Never raises."""
        if self.problem:
            return False
        values = context.get(self._lookup)
        if not values and self.name != "Null":
            return self._if_missing
        return self._test(values or (), context)

    def rests_on_absence(self, context: Context) -> bool:
        """Whether its outcome comes from what AWS makes of a key that is not there."""
        return not context.get(self._lookup) and not self.problem and self.name != "Null"

    def found(self, context: Context) -> str:
        """What the request has for the key, in words."""
        if self.problem:
            return f"{self.key}: {self.problem}"
        values = context.get(self._lookup)
        if not values:
            return f"{self.key} is absent"
        text = values[0] if len(values) == 1 else list(values)
        return f"{self.key} is {shown(text)}"

    def wanted(self) -> str:
        """The condition in words."""
        text = self.values[0] if len(self.values) == 1 else list(self.values)
        return f"{self.operator} {shown(text)}"


def compile_condition(
    operator_text: str, key: str, values: tuple[str, ...], *, variables: bool = True
) -> Condition:
    """Compiles a condition; never raises. `variables` says that `${...}` stands for a key."""
    quantifier, name, if_exists = _split(operator_text)
    draft = Condition(
        operator_text, key, values, quantifier or Quantifier.PLAIN, if_exists, _lookup=key.lower()
    )
    operator = OPERATORS.get(name)
    if quantifier is None or (operator is None and operator_text != "Null"):
        return replace(draft, problem=f"the operator {shown(operator_text)} is unknown")
    if not _is_modelled(key.lower()):
        return replace(draft, problem="its value in a request is not known here")
    test = _null(values) if operator is None else _test(operator, quantifier, values, variables)
    if test is None:
        return replace(draft, problem=f"{shown(operator_text)} can't compare with these values")
    negated = operator is not None and operator.negated and quantifier is Quantifier.PLAIN
    if_missing = if_exists or negated or quantifier is Quantifier.ALL
    return replace(draft, _test=test, _if_missing=if_missing)


def _split(text: str) -> tuple[Quantifier | None, str, bool]:
    """`ForAnyValue:StringLikeIfExists` taken apart; no quantifier at all if it is unknown."""
    prefix, _, name = text.rpartition(":")
    quantifier = next((q for q in Quantifier if q.value == prefix), None)
    stem = name.removesuffix("IfExists")
    return quantifier, stem, stem != name


def _is_modelled(key: str) -> bool:
    if not key.startswith(_AWS_PREFIXES):
        return True  # a key of an identity provider
    return key in _MODELLED or key.startswith(_MODELLED_PREFIXES)


def _null(values: tuple[str, ...]) -> Test | None:
    wanted = {value.lower() for value in values}
    if not wanted or not wanted <= {"true", "false"}:
        return None
    return lambda found, _: ("false" if found else "true") in wanted


def _test(
    operator: Operator, quantifier: Quantifier, values: tuple[str, ...], variables: bool
) -> Test | None:
    matches = _any_of(operator, values, variables)
    if matches is None:
        return None
    if quantifier is Quantifier.PLAIN and operator.negated:
        return lambda found, context: not any(matches(value, context) for value in found)
    satisfies = matches
    if operator.negated:
        satisfies = lambda value, context: not matches(value, context)  # noqa: E731
    if quantifier is Quantifier.ALL:
        return lambda found, context: all(satisfies(value, context) for value in found)
    return lambda found, context: (
        satisfies(found[0], context)
        if len(found) == 1
        else any(satisfies(value, context) for value in found)
    )


def _any_of(operator: Operator, values: tuple[str, ...], variables: bool) -> ValueTest | None:
    """A test whether a value matches any of the policy's; None if all of these are unusable."""
    if operator.compile is equal and values and not any("${" in value for value in values):
        known = frozenset(values)
        return lambda found, _: found in known
    tests: list[ValueTest] = []
    for value in values:
        if variables and operator.variables and "${" in value:
            tests.append(_with_variables(operator, value))
        elif (fixed := operator.compile(value)) is not None:
            tests.append(_fixed(fixed))
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda found, context: any(test(found, context) for test in tests)


def _fixed(test: Matcher) -> ValueTest:
    return lambda found, _: test(found)


def _with_variables(operator: Operator, template: str) -> ValueTest:
    """Matches with the variables' values of the moment; a variable without one matches nothing."""

    def matches(found: str, context: Context) -> bool:
        value = _substituted(template, context, as_pattern=operator.pattern)
        test = operator.compile(value) if value is not None else None
        return test is not None and test(found)

    return matches


def _substituted(template: str, context: Context, *, as_pattern: bool) -> str | None:
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        text = _value_of(match[1].strip(), match[2], context)
        missing = missing or text is None
        return quoted(text or "") if as_pattern else text or ""

    text = _VARIABLE.sub(value, template)
    return None if missing else text


def _value_of(name: str, default: str | None, context: Context) -> str | None:
    if name in _LITERALS:
        return name
    values = context.get(name.lower(), ())
    return values[0] if len(values) == 1 else default
