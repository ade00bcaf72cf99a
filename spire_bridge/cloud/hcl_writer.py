"""Writing HCL 2, the language of Terraform and OpenTofu, in the layout of `terraform fmt`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TypeAlias

from spire_bridge.errors import one_line

_COMMENT_COLUMNS = 92

_INDENT = "  "
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TEMPLATE_MARK = re.compile(r"(?<![$%])([$%])(?=\{)")
_DOUBLED_MARK = re.compile(r"(?<=[$%])([$%])(?=\{)")


@dataclass(frozen=True, slots=True)
class Expression:
    """HCL as it is, on one line: a reference, such as `aws_iam_role.api.arn`."""

    text: str


@dataclass(frozen=True, slots=True)
class Template:
    """A string some of whose parts are expressions."""

    parts: tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function that is called; only its last argument may take several lines."""

    function: str
    arguments: tuple[Value, ...]


Value: TypeAlias = (
    "str | bool | int | Expression | Template | Call | Sequence[Value] | Mapping[str, Value]"
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name = value`, beneath a comment that says why."""

    name: str
    value: Value
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A block; a blank line separates its groups."""

    type: str
    labels: tuple[str, ...]
    groups: tuple[tuple[Attribute | Block, ...], ...] = ()
    comment: str = ""

    @classmethod
    def of(cls, kind: str, *labels: str, body: Sequence[Group] = (), comment: str = "") -> Block:
        """A block with these groups in it; what stands alone is a group by itself."""
        groups = (
            (group,) if isinstance(group, Attribute | Block) else tuple(group) for group in body
        )
        return cls(kind, labels, tuple(group for group in groups if group), comment)


Group: TypeAlias = "Attribute | Block | Sequence[Attribute | Block]"


def write_file(heading: str, blocks: Iterable[Block]) -> str:
    """A file that begins with a comment, with a blank line between blocks."""
    parts = [comment_lines(heading), *(_block(block) for block in blocks)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def quoted(text: str) -> str:
    """A string literal that stands for `text` and nothing else.

    Raises `ValueError` for half of a surrogate pair, which no HCL stands for.
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a surrogate pair is no character")
    return f'"{_escaped(text)}"'


def written(value: Value) -> str:
    """A value as it stands where nothing is indented."""
    return "\n".join(_lines(value))


def _escaped(text: str) -> str:
    escaped = "".join(_ESCAPES.get(c) or (c if c.isprintable() else _code_point(c)) for c in text)
    # $${ stands for ${; behind another mark it would be read as one with it
    escaped = _DOUBLED_MARK.sub(lambda match: _code_point(match[1]), escaped)
    return _TEMPLATE_MARK.sub(r"\1\1", escaped)


def _code_point(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _lines(value: Value) -> list[str]:
    """The lines of a value, indented as they are to each other."""
    match value:
        case bool():
            return ["true" if value else "false"]
        case int():
            return [str(value)]
        case str():
            return [quoted(value)]
        case Expression(text):
            return [text]
        case Template(parts):
            return [_template(parts)]
        case Call(function, arguments):
            return _call(function, arguments)
        case Mapping():
            return _object(value)
        case _:
            return _list(value)


def _template(parts: Iterable[str | Expression]) -> str:
    texts = (
        f"${{{part.text}}}" if isinstance(part, Expression) else _escaped(part) for part in parts
    )
    return f'"{"".join(texts)}"'


def _call(function: str, arguments: Sequence[Value]) -> list[str]:
    *first, last = (_lines(argument) for argument in arguments)
    leading = "".join(f"{lines[0]}, " for lines in first)
    lines = [f"{function}({leading}{last[0]}", *last[1:]]
    lines[-1] += ")"
    return lines


def _list(values: Sequence[Value]) -> list[str]:
    if not values:
        return ["[]"]
    items = [_lines(value) for value in values]
    if len(items) == 1:
        only = items[0]
        return [f"[{only[0]}]"] if len(only) == 1 else [f"[{only[0]}", *only[1:-1], f"{only[-1]}]"]
    lines = [line for item in items for line in [*item[:-1], f"{item[-1]},"]]
    return ["[", *_indented(lines), "]"]


def _object(members: Mapping[str, Value]) -> list[str]:
    if not members:
        return ["{}"]
    named = [(_key(name), _lines(value)) for name, value in members.items()]
    return ["{", *_indented(_aligned(named)), "}"]


def _key(name: str) -> str:
    # an object that begins with the word would be a comprehension
    return name if _IDENTIFIER.fullmatch(name) and name != "for" else quoted(name)


def _aligned(named: Sequence[tuple[str, list[str]]]) -> Iterator[str]:
    """Lines up the equals signs of neighbours that take one line each."""
    start = 0
    while start < len(named):
        end = start
        while end < len(named) and len(named[end][1]) == 1:
            end += 1
        width = max((len(name) for name, _ in named[start:end]), default=0)
        for name, lines in named[start:end]:
            yield f"{name.ljust(width)} = {lines[0]}"
        if end < len(named):
            name, lines = named[end]
            yield f"{name} = {lines[0]}"
            yield from lines[1:]
        start = end + 1


def _block(block: Block) -> list[str]:
    head = " ".join([block.type, *map(quoted, block.labels), "{"])
    comment = comment_lines(block.comment) if block.comment else []
    if not block.groups:
        return [*comment, f"{head}}}"]
    groups = [_group(group) for group in block.groups]
    body = [line for group in groups for line in ["", *group]][1:]
    return [*comment, head, *_indented(body), "}"]


def _group(items: Iterable[Attribute | Block]) -> list[str]:
    lines: list[str] = []
    run: list[tuple[str, list[str]]] = []
    for item in items:
        if isinstance(item, Block) or item.comment:
            lines += _aligned(run)
            run = []
        if isinstance(item, Block):
            lines += _block(item)
            continue
        if item.comment:
            lines += comment_lines(item.comment)
        run.append((item.name, _lines(item.value)))
    return [*lines, *_aligned(run)]


def comment_lines(text: str) -> list[str]:
    """Lines of a comment, in YAML as in HCL; each line of the text begins a new one."""
    paragraphs = (wrap(one_line(paragraph), _COMMENT_COLUMNS) for paragraph in text.split("\n"))
    return [f"# {line}" for lines in paragraphs for line in lines]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"{_INDENT}{line}" if line else line for line in lines]
