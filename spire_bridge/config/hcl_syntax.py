"""The syntax of HCL 1 (github.com/hashicorp/hcl, main branch up to version 1).

Values are `str`, `bool`, `Number`, `Float`, `HclObject`, plain lists, and `Blocks` for what
is written as several objects of one name. Line ends mean nothing but in a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+ | \#[^\n]* | //[^\n]* | /\*(?s:.*?)\*/)
    | <<(?P<indented>-?)(?P<heredoc>[\w.-]+)\r?\n
    | (?P<float>-?(?:\d+\.\d* | \.\d+)(?:[eE][-+]?\d+)? | -?\d+[eE][-+]?\d+)
    | (?P<number>-?(?:0[xX][0-9a-fA-F]+ | \d+))
    | (?P<name>[^\W\d][\w.-]*)
    | (?P<sign>[{}\[\],=])
    | (?P<quote>")
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"""\\(?:(?P<letter>[abfnrtv\\"])|(?P<octal>[0-7]{3})|x(?P<hex>[0-9a-fA-F]{2})"""
    r"""|u(?P<u4>[0-9a-fA-F]{4})|U(?P<u8>[0-9a-fA-F]{8}))"""
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PLAIN = re.compile(r'[^"\\$\n\0]+|\$(?!\{)')
_WORDS = {"true": True, "false": False}
_DEEPEST = 100


class SyntaxFailure(ValueError):
    """Text is no HCL; the message says where and why, in one line."""


class Number(str):
    """A whole number as it is written: what it is depends on who reads it."""

    __slots__ = ()


class Float(str):
    """A number with a fraction or an exponent, as it is written."""

    __slots__ = ()


class HclObject(dict[str, Any]):
    """An object; `bare` are the names in it that stand without quotes."""

    def __init__(self) -> None:
        super().__init__()
        self.bare: set[str] = set()

    def put(self, name: str, value: Any) -> None:
        """As Go's decoder takes a name that comes again: objects and lists add up."""
        before = self.get(name)
        if isinstance(value, HclObject) and isinstance(before, HclObject | Blocks):
            earlier = before if isinstance(before, Blocks) else [before]
            self[name] = Blocks([*earlier, value])
        elif type(value) is list and type(before) is list:
            self[name] = before + value
        else:
            self[name] = value


class Blocks(list[HclObject]):
    """Several objects of one name."""


@dataclass(frozen=True, slots=True)
class _Token:
    """`kind` is `string`, `float`, `number`, `name`, or the sign itself; `end` for the end."""

    kind: str
    text: str
    position: int


def parse(text: str) -> HclObject:
    """The whole file as an object. Raises `SyntaxFailure`."""
    parser = _Parser(text)
    return parser.items(until="end")


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._depth = 0
        self._token = next(self._tokens)

    def items(self, until: str) -> HclObject:
        """What stands between braces; commas are as good as none."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._unexpected("it is too deep")
        found = HclObject()
        while self._token.kind != until:
            self._item(found)
            self._skip(",")
        self._advance()
        self._depth -= 1
        return found

    def _item(self, into: HclObject) -> None:
        """`name = value`, `name { … }`, or `name "label" { … }`, which is an object within."""
        names = []
        while self._token.kind in {"name", "string"}:
            names.append(self._token)
            self._advance()
        if not names:
            raise self._unexpected("expected a name")
        if self._token.kind == "=" and len(names) == 1:
            self._advance()
            value = self._value()
        elif self._token.kind == "{":
            self._advance()
            value = self.items(until="}")
        else:
            raise self._unexpected(f"{names[-1].text!r} needs an object or a value")
        for name in reversed(names[1:]):
            value = _object_of(name, value)
        if names[0].kind == "name":
            into.bare.add(names[0].text)
        into.put(names[0].text, value)

    def _value(self) -> Any:
        token = self._token
        if token.kind not in {"string", "number", "float", "name", "{", "["}:
            raise self._unexpected("expected a value")
        self._advance()
        match token.kind:
            case "string":
                return token.text
            case "number":
                return Number(token.text)
            case "float":
                return Float(token.text)
            case "{":
                return self.items(until="}")
            case "[":
                return self._list()
        if token.text not in _WORDS:
            raise _failure(self._text, token.position, f"{token.text!r} is no value")
        return _WORDS[token.text]

    def _list(self) -> list[Any]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._unexpected("it is too deep")
        found = []
        while self._token.kind != "]":
            found.append(self._value())
            if self._token.kind != "]" and not self._skip(","):
                raise self._unexpected("expected a comma or the list's end")
        self._advance()
        self._depth -= 1
        return found

    def _skip(self, sign: str) -> bool:
        if self._token.kind != sign:
            return False
        self._advance()
        return True

    def _advance(self) -> None:
        if self._token.kind != "end":
            self._token = next(self._tokens)

    def _unexpected(self, reason: str) -> SyntaxFailure:
        return _failure(self._text, self._token.position, reason)


def _object_of(name: _Token, value: Any) -> HclObject:
    within = HclObject()
    within.put(name.text, value)
    return within


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _failure(text, position, f"illegal character {text[position]!r}")
        start, position = position, match.end()
        kind = match.lastgroup or ""
        if kind == "quote":
            value, position = _string(text, position)
            yield _Token("string", value, start)
        elif kind == "heredoc":
            value, position = _heredoc(text, position, match)
            yield _Token("string", value, start)
        elif kind != "space":
            yield _Token(match[0] if kind == "sign" else kind, match[0], start)
    yield _Token("end", "", position)


def _string(text: str, position: int) -> tuple[str, int]:
    """From behind the opening quote: what it says, and where it ends."""
    start, parts = position - 1, []
    while not text.startswith('"', position):
        if match := _PLAIN.match(text, position):
            parts.append(match[0])
            position = match.end()
        elif text.startswith("${", position):
            end = _interpolation_end(text, position)
            parts.append(text[position:end])
            position = end
        elif match := _ESCAPE.match(text, position):
            parts.append(_unescaped(match))
            position = match.end()
        elif text.startswith("\\", position):
            raise _failure(text, position, "illegal escape")
        else:
            raise _failure(text, start, "a string is not ended on its line")
    return "".join(parts), position + 1


def _interpolation_end(text: str, position: int) -> int:
    """Behind `${ … }`, which is no more than text here, and may hold quotes and line ends."""
    depth = 0
    for index in range(position + 1, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index + 1
    raise _failure(text, position, "'${' is not ended")


def _unescaped(match: re.Match[str]) -> str:
    if letter := match["letter"]:
        return _LETTERS.get(letter, letter)
    if octal := match["octal"]:
        return chr(int(octal, 8))
    code = int(match["hex"] or match["u4"] or match["u8"], 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise _failure(match.string, match.start(), "no such character")
    return chr(code)


def _heredoc(text: str, position: int, opening: re.Match[str]) -> tuple[str, int]:
    """Up to the line that holds the mark alone; `<<-` takes that line's indent off the others."""
    closing = re.compile(rf"^([ \t]*){re.escape(opening['heredoc'])}\r?$", re.MULTILINE)
    match = closing.search(text, position)
    while match and match[1] and not opening["indented"]:
        match = closing.search(text, match.end())
    if match is None:
        raise _failure(text, opening.start(), "a heredoc is not ended")
    lines = text[position : match.start()].splitlines(keepends=True)
    if all(line.startswith(match[1]) for line in lines):
        lines = [line.removeprefix(match[1]) for line in lines]
    return "".join(lines), match.end()


def _failure(text: str, position: int, reason: str) -> SyntaxFailure:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return SyntaxFailure(f"line {line}, column {column}: {reason}")
