"""The part of Jinja2 that a file's template may use: what can't run on, and can't grow.

Jinja2's sandbox keeps templates from the interpreter, but limits neither time nor memory. So
what could use them up is left out: macros, calls, methods, arithmetic on text, and all filters
but those below; loops are counted and timed.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE_BYTES = 64 * 1024
MAX_BYTES = 1024 * 1024  # of the result, and of each value on the way to it
MAX_STEPS = 100_000  # of all loops together
MAX_SECONDS = 2.0  # when a loop has to have come to its end
_MAX_INDENT = 64

_LANGUAGE = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Test,
    nodes.If,
    nodes.CondExpr,
    nodes.Assign,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Keyword,
)
_LOOP = frozenset({"index", "index0", "first", "last", "length"})


class Environment(ImmutableSandboxedEnvironment):
    """Jinja2 without a loader, whose values are text, numbers, lists and mappings alone."""

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
        self.globals.clear()
        self.filters.clear()
        self.filters.update({name: _bounded(filter_) for name, filter_ in _FILTERS.items()})
        wanted = {"defined", "undefined", "none", "string", "number", "mapping", "in", "eq", "ne"}
        self.tests = {name: test for name, test in self.tests.items() if name in wanted}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No attribute but a loop's: the members of a mapping are found as its items."""
        return isinstance(obj, LoopContext) and attr in _LOOP

    def restricted(self, source: str) -> nodes.Template:
        """The template's tree, its loops counted. Raises `TemplateError`."""
        tree = self.parse(source)
        for node in tree.find_all(nodes.Node):
            if not _is_bounded(node):
                raise SecurityError(f"line {node.lineno}: {type(node).__name__} is not for files")
        for loop in list(tree.find_all(nodes.For)):
            counted = nodes.Name("_counted", "load", lineno=loop.lineno)
            loop.iter = nodes.Call(counted, [loop.iter], [], None, None, lineno=loop.lineno)
        return tree


def _is_bounded(node: nodes.Node) -> bool:
    if isinstance(node, nodes.For):
        return not node.recursive
    if isinstance(node, nodes.Tuple):  # a loop's names; a value made of itself would grow
        return node.ctx == "store"
    return isinstance(node, _LANGUAGE)


def counter() -> Callable[[Iterable[Any]], Iterator[Any]]:
    """Passes on what loops go through, for the steps and the time that one rendering has."""
    left = MAX_STEPS
    deadline = time.monotonic() + MAX_SECONDS

    def counted(items: Iterable[Any]) -> Iterator[Any]:
        nonlocal left
        for item in items:
            left -= 1
            if left < 0 or time.monotonic() > deadline:
                raise SecurityError(
                    f"its loops take more than {MAX_STEPS} steps, or {MAX_SECONDS} s"
                )
            yield item

    return counted


def _bounded(filter_: Callable[..., Any]) -> Callable[..., Any]:
    def bounded(value: Any, *arguments: Any, **named: Any) -> Any:
        result = filter_(value, *arguments, **named)
        if isinstance(result, str):
            _check_length(len(result))
        return result

    return bounded


def _check_length(characters: int) -> None:
    if characters > MAX_BYTES:
        raise SecurityError(f"a value has more than {MAX_BYTES} characters")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TemplateError(f"this filter takes text, not {type(value).__name__}")


def _replace(value: Any, old: str, new: str) -> str:
    text = _text(value)
    if not old:
        raise TemplateError("replace takes what is to be replaced")
    _check_length(len(text) + text.count(old) * len(_text(new)))
    return text.replace(_text(old), new)


def _join(values: Any, separator: str = "") -> str:
    parts = [_text(value) for value in values]
    _check_length(sum(map(len, parts)) + len(parts) * len(_text(separator)))
    return separator.join(parts)


def _indent(value: Any, width: int = 4) -> str:
    """Every line but the first further in, as a block of YAML wants it."""
    if not isinstance(width, int) or not 0 <= width <= _MAX_INDENT:
        raise TemplateError(f"indent takes 0 to {_MAX_INDENT} columns")
    return _text(value).replace("\n", "\n" + " " * width)


def _items(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return sorted(value.items())
    raise TemplateError(f"items takes a mapping, not {type(value).__name__}")


_FILTERS: dict[str, Callable[..., Any]] = {
    "b64encode": lambda value: base64.b64encode(_text(value).encode()).decode(),
    "indent": _indent,
    "items": _items,
    "join": _join,
    "length": len,
    "replace": _replace,
    "rfc3339": lambda value: datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "tojson": lambda value: json.dumps(value),
    "trim": lambda value: _text(value).strip(),
}
