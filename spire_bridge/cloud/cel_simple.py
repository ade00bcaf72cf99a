"""The CEL that most conditions and mappings consist of, without an engine.

That is one term or several joined by `&&`, where a term is a selection such as
`assertion.sub`, its comparison with a string, a string in it, `has` of it, or a method of it
with strings as arguments. Whatever is more than that is left to the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from spire_bridge.cloud.cel_functions import Functions
from spire_bridge.cloud.cel_result import CelError, CelFailure, wrong_type
from spire_bridge.cloud.cel_syntax import Token, plain_string, read_path, tokens_of, whole_path

Evaluate = Callable[[Mapping[str, Any]], Any]

_NO_OVERLOAD = CelError(CelFailure.WRONG_TYPE, "no such overload")
# Those that only strings have; of the verifier's functions, it may lack some.
_STRING_METHODS = frozenset({"extract", "lowerAscii", "replace", "split", "trim", "upperAscii"})
_PREDICATES: Functions = {
    "contains": lambda text, part: part in text,
    "endsWith": str.endswith,
    "startsWith": str.startswith,
}


def compile_simple(
    expression: str, roots: Collection[str], functions: Functions
) -> tuple[frozenset[str], Evaluate] | None:
    """The roots that an expression reads, and what evaluates it; None if it isn't simple."""
    own = {name: functions[name] for name in _STRING_METHODS & functions.keys()}
    methods = {**own, **_PREDICATES}
    terms = [_term(tokens, methods) for tokens in _split(tokens_of(expression))]
    found = [term for term in terms if term is not None and term[0] in roots]
    if len(found) != len(terms):
        return None
    used = frozenset(root for root, _ in found)
    evaluations = tuple(evaluate for _, evaluate in found)
    return used, evaluations[0] if len(evaluations) == 1 else _all(evaluations)


def _all(evaluations: tuple[Evaluate, ...]) -> Evaluate:
    def evaluate(roots: Mapping[str, Any]) -> Any:
        """False if any is false, even beside errors (CEL: logical operators)."""
        error: CelError | None = None
        for term in evaluations:
            value = term(roots)
            if value is False:
                return False
            if value is not True and error is None:
                error = value if isinstance(value, CelError) else _NO_OVERLOAD
        return True if error is None else error

    return evaluate


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    terms: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == "&&":
            terms.append([])
        else:
            terms[-1].append(token)
    return terms


def _term(tokens: Sequence[Token], methods: Functions) -> tuple[str, Evaluate] | None:
    texts = [token.text for token in tokens]
    match texts:
        case ["has", "(", *_, ")"]:
            path = whole_path(tokens[2:-1])
            is_field = len(texts) > 5 and texts[-3] == "."  # has(a['b']) is no CEL
            return (path[0], _has(path)) if path is not None and is_field else None
        case [literal, "in", *_]:
            path, string = whole_path(tokens[2:]), plain_string(literal)
            return None if path is None or string is None else (path[0], _in(string, path))
        case [*_, ("==" | "!=") as operator, literal]:
            path, string = whole_path(tokens[:-2]), plain_string(literal)
            if path is None or string is None:
                return None
            return path[0], _compared(path, string, equal=operator == "==")
    path, at = read_path(tokens)
    if not path:
        return None
    if at == len(tokens):
        return path[0], _selecting(path)
    if texts[at : at + 1] != ["("] or texts[at - 2] != "." or texts[-1] != ")":
        return None
    arguments = _arguments(texts[at + 1 : -1])
    method = methods.get(path[-1])
    if method is None or arguments is None or len(path) < 2:
        return None
    return path[0], _calling(path[:-1], path[-1], method, arguments)


def _arguments(texts: Sequence[str]) -> list[str] | None:
    """Plain strings with commas between them."""
    if any(text != "," for text in texts[1::2]) or (texts and len(texts) % 2 == 0):
        return None
    strings = [plain_string(text) for text in texts[::2]]
    found = [string for string in strings if string is not None]
    return found if len(found) == len(strings) else None


def _selecting(path: tuple[str, ...]) -> Evaluate:
    def evaluate(roots: Mapping[str, Any]) -> Any:
        value: Any = roots
        for member in path:
            if not isinstance(value, Mapping):
                return wrong_type(value, "map")
            if member not in value:
                return CelError(CelFailure.MISSING_KEY, f"no such key: {member}")
            value = value[member]
        return value

    return evaluate


def _has(path: tuple[str, ...]) -> Evaluate:
    select, member = _selecting(path[:-1]), path[-1]

    def evaluate(roots: Mapping[str, Any]) -> Any:
        value = select(roots)
        if isinstance(value, CelError):
            return value
        return member in value if isinstance(value, Mapping) else _NO_OVERLOAD

    return evaluate


def _in(string: str, path: tuple[str, ...]) -> Evaluate:
    select = _selecting(path)

    def evaluate(roots: Mapping[str, Any]) -> Any:
        value = select(roots)
        if isinstance(value, CelError):
            return value
        return string in value if isinstance(value, list | Mapping) else _NO_OVERLOAD

    return evaluate


def _compared(path: tuple[str, ...], string: str, *, equal: bool) -> Evaluate:
    select = _selecting(path)

    def evaluate(roots: Mapping[str, Any]) -> Any:
        value = select(roots)
        return value if isinstance(value, CelError) else (value == string) is equal

    return evaluate


def _calling(
    path: tuple[str, ...], name: str, method: Callable[..., Any], arguments: list[str]
) -> Evaluate:
    select = _selecting(path)

    def evaluate(roots: Mapping[str, Any]) -> Any:
        value = select(roots)
        if isinstance(value, CelError):
            return value
        if not isinstance(value, str):
            return CelError(CelFailure.WRONG_TYPE, f"no such overload: {name}")
        try:
            return method(value, *arguments)
        except (TypeError, ValueError):
            return CelError(CelFailure.FAILED, "the expression failed")

    return evaluate
