"""Role trust policies: IAM's policy language as far as these use it, compiled.

A document that IAM would refuse to store is refused here as well. What IAM would store and is
not understood here is said, and treated as not satisfied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from spire_bridge.cloud.aws.condition import Condition, Context, compile_condition
from spire_bridge.cloud.aws.pattern import matcher
from spire_bridge.cloud.trust_errors import InvalidTrust

ASSUME_ROLE = "sts:AssumeRole"
ASSUME_ROLE_WITH_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
TAG_SESSION = "sts:TagSession"
SET_SOURCE_IDENTITY = "sts:SetSourceIdentity"
_ACTIONS = (ASSUME_ROLE, ASSUME_ROLE_WITH_WEB_IDENTITY, TAG_SESSION, SET_SOURCE_IDENTITY)

_VERSIONS = ("2012-10-17", "2008-10-17")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `Federated` with a provider's ARN, or `Service` with its name."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `place` names it in the document, such as `Statement[0]`.

    `principals` are by kind; a bare `*` is of the kind `*`. `problem` says why it never applies.
    """

    place: str
    allows: bool
    principals: Mapping[str, tuple[str, ...]]
    actions: frozenset[str]
    conditions: tuple[Condition, ...]
    problem: str = ""

    @property
    def effect(self) -> str:
        return "Allow" if self.allows else "Deny"

    def concerns(self, caller: Caller) -> bool:
        """Whether the caller is among its principals."""
        if self.problem:
            return False
        named = self.principals.get(caller.kind, ())
        return caller.name in named or "*" in named or "*" in self.principals

    def unmet(self, context: Context) -> Condition | None:
        """The first condition that the request does not satisfy."""
        for condition in self.conditions:
            if not condition.holds(context):
                return condition
        return None

    def rests_on_assumption(self, context: Context) -> bool:
        """Whether it applies by what is assumed: of a wildcard, or of a key that is absent."""
        for condition in self.conditions:
            if condition.rests_on_absence(context):
                return True
        return "*" in self.principals


class Decision(NamedTuple):
    """Whether a policy lets a caller do something, and the condition that decided it."""

    allowed: bool
    found: str
    wanted: str = ""
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """A trust policy. `characters` is its size as IAM counts it, without white space."""

    statements: tuple[Statement, ...]
    characters: int = 0
    _by_action: Mapping[str, tuple[Statement, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def compile(cls, document: Mapping[str, Any], where: str, *, characters: int = 0) -> Self:
        """Compiles a policy document; `where` names it. Raises `InvalidTrust`."""
        version = document.get("Version", _VERSIONS[1])
        if version not in _VERSIONS:
            raise InvalidTrust(f"{where}: Version: must be one of {', '.join(_VERSIONS)}")
        listed = document.get("Statement")
        items = [listed] if isinstance(listed, dict) else listed
        if not isinstance(items, list) or not items:
            raise InvalidTrust(f"{where}: Statement: must be a statement or a list of statements")
        variables = version == _VERSIONS[0]
        statements = tuple(
            _statement(item, where, f"Statement[{i}]", variables) for i, item in enumerate(items)
        )
        by_action = {
            action: tuple(s for s in statements if action in s.actions) for action in _ACTIONS
        }
        return cls(statements, characters, by_action)

    def concerning(self, action: str) -> tuple[Statement, ...]:
        """The statements about an action, allowing and denying."""
        return self._by_action.get(action, ())

    def decide(self, action: str, caller: Caller, context: Context) -> Decision:
        """What the policy says: a denial wins, and what nothing allows is not allowed.

        Where a denial has a condition that is not understood, being allowed is assumed.
        """
        near: tuple[int, Statement, Condition] | None = None
        allowed_by: Statement | None = None
        is_denial_open = False
        for statement in self.concerning(action):
            if not statement.concerns(caller):
                continue
            unmet = statement.unmet(context)
            if unmet is None and not statement.allows:
                assumed = statement.rests_on_assumption(context)
                return Decision(False, f"{statement.place} denies it", "no denial", assumed)
            if unmet is None:
                allowed_by = allowed_by or statement
            elif statement.allows:
                met = statement.conditions.index(unmet)
                near = max(near or (met, statement, unmet), (met, statement, unmet), key=_rank)
            else:
                is_denial_open = is_denial_open or bool(unmet.problem)
        if allowed_by is not None:
            assumed = is_denial_open or allowed_by.rests_on_assumption(context)
            return Decision(True, f"allowed by {allowed_by.place}", action, assumed)
        return self._refusal(action, caller, context, near)

    def _refusal(
        self,
        action: str,
        caller: Caller,
        context: Context,
        near: tuple[int, Statement, Condition] | None,
    ) -> Decision:
        if near is not None:
            _, statement, condition = near
            wanted = f"{condition.wanted()} ({statement.place})"
            assumed = bool(condition.problem) or condition.rests_on_absence(context)
            return Decision(False, condition.found(context), wanted, assumed)
        wanted = f"a statement that allows {action} to {caller.kind} {caller.name}"
        return Decision(False, "no statement allows it", wanted)


def _rank(near: tuple[int, Statement, Condition]) -> int:
    return near[0]


def _statement(item: Any, where: str, place: str, variables: bool) -> Statement:
    if not isinstance(item, dict):
        raise InvalidTrust(f"{where}: {place}: must be an object")
    effect = item.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise InvalidTrust(f"{where}: {place}.Effect: must be Allow or Deny")
    principals, problem = _principals(item, where, place)
    return Statement(
        place,
        effect == "Allow",
        principals,
        _actions(item, where, place),
        tuple(_conditions(item.get("Condition", {}), f"{where}: {place}.Condition", variables)),
        problem,
    )


def _principals(
    item: Mapping[str, Any], where: str, place: str
) -> tuple[Mapping[str, tuple[str, ...]], str]:
    if "NotPrincipal" in item:
        return {}, "NotPrincipal is not understood here"
    principal = item.get("Principal")
    if principal == "*":
        return {"*": ("*",)}, ""
    if not isinstance(principal, dict):
        raise InvalidTrust(f"{where}: {place}.Principal: must be an object or *")
    return {
        kind: strings(names, f"{where}: {place}.Principal.{kind}")
        for kind, names in principal.items()
    }, ""


def _actions(item: Mapping[str, Any], where: str, place: str) -> frozenset[str]:
    """The actions of interest that a statement is about; IAM ignores their case."""
    name = "NotAction" if "NotAction" in item else "Action"
    patterns = strings(item.get(name), f"{where}: {place}.{name}")
    tests = [matcher(pattern, ignore_case=True) for pattern in patterns]
    named = {action for action in _ACTIONS if any(test(action) for test in tests)}
    return frozenset(_ACTIONS) - named if name == "NotAction" else frozenset(named)


def _conditions(block: Any, where: str, variables: bool) -> Iterator[Condition]:
    if not isinstance(block, dict):
        raise InvalidTrust(f"{where}: must be an object")
    for operator, keys in block.items():
        if not isinstance(keys, dict):
            raise InvalidTrust(f"{where}.{operator}: must be an object")
        for key, values in keys.items():
            texts = strings(values, f"{where}.{operator}.{key}")
            yield compile_condition(operator, key, texts, variables=variables)


def strings(value: Any, where: str) -> tuple[str, ...]:
    """One value or a list of them, as IAM reads them: `true` and numbers are texts too."""
    items: Sequence[Any] = value if isinstance(value, list) else [value]
    texts = tuple(_text(item) for item in items)
    if not all(isinstance(text, str) for text in texts):
        raise InvalidTrust(f"{where}: must be a text or a list of texts")
    return tuple(text for text in texts if text is not None)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) else None
