"""CEL (the Common Expression Language) as verifiers use it in conditions and mappings.

An expression is compiled once, with the trust description that it stands in; what it comes
to for a token is a value, or a `CelError` as a value. The simple ones, which are most, need
no engine (`cel_simple`); all others need the optional extra `cel`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from spire_bridge.cloud.cel_functions import Functions
from spire_bridge.cloud.cel_result import CelError, CelFailure, wrong_type
from spire_bridge.cloud.cel_simple import compile_simple
from spire_bridge.cloud.cel_syntax import members_read, names, without_optional_selections
from spire_bridge.cloud.trust_errors import InvalidTrust

__all__ = ["CelError", "CelFailure", "Expression", "compile_expression"]

MAX_EXPRESSION_CHARACTERS = 8_192  # more than any verifier takes

# Of the language definition: what the engine brings along.
_MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})
_TYPES = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"}
)
_BUILT_IN = (
    _MACROS
    | _TYPES
    | {"contains", "dyn", "duration", "endsWith", "has", "matches", "size", "startsWith"}
    | {"timestamp", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear"}
    | {"getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds"}
    | {"hasValue", "none", "of", "or", "orValue", "value"}  # of optional values
)
_OPTIONAL = "__optional"  # the function that stands for `.?`

# What a function raises, the engine raises as a RuntimeError.
_ENGINE_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression over the given roots, such as `assertion` or `claims`."""

    text: str
    roots: frozenset[str]
    _evaluate: Callable[[Mapping[str, Any]], Any] = field(repr=False, compare=False)

    def evaluate(self, roots: Mapping[str, Any]) -> Any | CelError:
        """What it comes to: None, bool, int, float, str, bytes, list, dict, a time, or an error.

        `roots` gives each root its value. Never raises.
        """
        return self._evaluate(roots)

    def truth(self, roots: Mapping[str, Any]) -> bool | CelError:
        """What it comes to if that is a bool."""
        value = self._evaluate(roots)
        return value if isinstance(value, bool | CelError) else wrong_type(value, "bool")

    def string(self, roots: Mapping[str, Any]) -> str | CelError:
        """What it comes to if that is a string."""
        value = self._evaluate(roots)
        return value if isinstance(value, str | CelError) else wrong_type(value, "string")

    def strings(self, roots: Mapping[str, Any]) -> tuple[str, ...] | CelError:
        """What it comes to if that is a list of strings, or one string."""
        value = self._evaluate(roots)
        if isinstance(value, CelError):
            return value
        items = [value] if isinstance(value, str) else value
        if isinstance(items, list) and all(isinstance(item, str) for item in items):
            return tuple(items)
        return wrong_type(value, "list of strings")


def compile_expression(
    text: str,
    *,
    name: str,
    place: str,
    roots: Collection[str],
    functions: Functions,
    max_characters: int = MAX_EXPRESSION_CHARACTERS,
) -> Expression:
    """Compiles the expression at a place in the trust description of that name.

    `functions` are the verifier's own (`cel_functions`). Raises `InvalidTrust` for what is
    no CEL, is too long, names something that is not there, or needs the absent library.
    """
    where = f"{name}: {place}"
    if len(text) > max_characters:
        raise InvalidTrust(
            f"{where}: the expression has {len(text)} characters; {max_characters} are allowed"
        )
    simple = compile_simple(text, roots, functions)
    if simple is not None:
        return Expression(text, *simple)
    return Expression(text, *_compiled(text, where, frozenset(roots), functions))


def _compiled(
    text: str, where: str, roots: frozenset[str], functions: Functions
) -> tuple[frozenset[str], Callable[[Mapping[str, Any]], Any]]:
    engine = _engine(where)
    try:
        program = engine.compile(without_optional_selections(text, _OPTIONAL))
    except (ValueError, RecursionError) as error:
        raise InvalidTrust(f"{where}: no CEL: {_reason(error)}") from None
    _refuse_unknown_names(program, text, where, roots, functions)
    used = {name: functions[name] for name in program.functions() if name in functions}
    if _OPTIONAL in program.functions():
        used[_OPTIONAL] = _optional_selection(engine.OptionalValue)
    # Turning claims into the engine's values is what costs time: only those that are read.
    read = {root: members_read(text, root) for root in sorted(roots & set(program.variables()))}

    def evaluate(roots: Mapping[str, Any]) -> Any:
        context = engine.Context(functions=used)
        try:
            for root, members in read.items():
                context.add_variable(root, _only(roots.get(root, {}), members))
            return program.execute(context)
        except _ENGINE_ERRORS as error:
            return _as_value(error)

    return frozenset(read), evaluate


def _engine(where: str) -> ModuleType:
    try:
        import cel
    except ImportError:
        raise InvalidTrust(
            f"{where}: this expression needs a CEL engine, which is not installed",
            hint="pip install 'spire-bridge[cel]'",
        ) from None
    # It logs what functions raise, which is returned here and may hold claims.
    logging.getLogger("cel").setLevel(logging.CRITICAL)
    return cel


def _refuse_unknown_names(
    program: Any, text: str, where: str, roots: frozenset[str], functions: Functions
) -> None:
    for function in program.functions():
        own = function.isidentifier() and function != _OPTIONAL
        if own and function not in functions and function not in _BUILT_IN:
            raise InvalidTrust(f"{where}: function {function!r} is not known")
    if _MACROS & set(names(text)):
        return  # whose own variables can't be told from others
    for variable in program.variables():
        if variable not in roots and variable not in _TYPES | {"optional"}:
            known = ", ".join(sorted(roots))
            raise InvalidTrust(f"{where}: {variable!r} is none of {known}")


def _optional_selection(optional: Any) -> Callable[[Any, list[str]], Any]:
    def select(value: Any, members: list[str]) -> Any:
        for member in members:
            if not isinstance(value, dict) or member not in value:
                return optional.none()
            value = value[member]
        return optional.of(value)

    return select


def _only(value: Any, members: frozenset[str] | None) -> Any:
    if members is None or not isinstance(value, Mapping):
        return value
    return {member: value[member] for member in members if member in value}


def _as_value(error: Exception) -> CelError:
    match error:
        case KeyError():
            return CelError(CelFailure.MISSING_KEY, f"no such key: {error.args[0]}")
        case TypeError():
            return CelError(CelFailure.WRONG_TYPE, "no such overload")
        case RuntimeError() if str(error).startswith("Undefined variable or function: "):
            function = str(error).split("'")[1]
            return CelError(CelFailure.WRONG_TYPE, f"no such overload: {function}")
        case IndexError():
            return CelError(CelFailure.FAILED, "index out of range")
        case ArithmeticError():
            return CelError(CelFailure.FAILED, "arithmetic error")
    return CelError(CelFailure.FAILED, "the expression failed")


def _reason(error: Exception) -> str:
    """The engine's first line without the expression that it repeats."""
    text = str(error)
    return text.partition("ERROR: <input>:")[2].partition("\n")[0] or "it can't be parsed"
