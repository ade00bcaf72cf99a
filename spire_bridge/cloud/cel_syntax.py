"""What can be told of a CEL expression from its words alone, without the library that runs it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

# The tokens of the CEL language definition that matter here: a string is one token, so that
# nothing inside it is taken for a name.
_TOKEN = re.compile(
    r"""(?P<string>[rRbB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<name>[A-Za-z_]\w*)
    |(?P<number>\.?\d(?:[eE][+-]?\d|[\w.])*)
    |(?P<space>\s+)
    |(?P<sign>\.\?|&&|\|\||[=!<>]=|.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_PLAIN_STRING = re.compile(r"""'[^'\\]*'|"[^"\\]*\"""")
_NO_NAMES = frozenset({"in", "true", "false", "null"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def selected_path(expression: str) -> tuple[str, ...] | None:
    """The path of an expression that only selects, such as `claims.email` or `claims['a.b']`.

    The root comes first. None if the expression does anything else.
    """
    tokens = _tokens(expression)
    if not tokens or not _is_name(tokens[0]):
        return None
    path, at = [tokens[0].text], 1
    while at < len(tokens):
        step = _selection(tokens, at)
        if step is None or tokens[at].text == ".?":
            return None
        member, at = step
        path.append(member)
    return tuple(path)


def members_read(expression: str, root: str) -> frozenset[str] | None:
    """The members of a root that an expression may read; None if it may read any of them."""
    tokens = _tokens(expression)
    members: set[str] = set()
    for at, token in enumerate(tokens):
        if token != _Token("name", root) or (at and tokens[at - 1].text in {".", ".?"}):
            continue
        step = _selection(tokens, at + 1)
        if step is None or _text(tokens, step[1]) == "(":  # the root itself, or its method
            return None
        members.add(step[0])
    return frozenset(members)


def names(expression: str) -> Collection[str]:
    """Every name in an expression, outside strings."""
    return {token.text for token in _tokens(expression) if token.kind == "name"}


def without_optional_selections(expression: str, function: str) -> str:
    """Writes `a.b.?c.d` as `function(a.b, ["c", "d"])`, for an engine without that syntax.

    Once a selection is optional, so are those that follow it (CEL's optional values).
    """
    if ".?" not in expression:
        return expression
    tokens = _tokens(expression)
    written: list[str] = []
    start = 0  # of the chain of selections that ends at `at`
    at = 0
    while at < len(tokens):
        members, after = _optional_chain(tokens, at)
        if members:
            chain = " ".join(written[start:])
            listed = ", ".join(f'"{member}"' for member in members)
            written[start:] = [f"{function}({chain}, [{listed}])"]
            at = after
            continue
        if tokens[at].text != "." and not (written and written[-1] == "."):
            start = len(written)
        written.append(tokens[at].text)
        at += 1
    return " ".join(written)


def _optional_chain(tokens: Sequence[_Token], at: int) -> tuple[list[str], int]:
    members: list[str] = []
    allowed = {".?"}
    while _text(tokens, at) in allowed and at + 1 < len(tokens):
        if tokens[at + 1].kind != "name" or _text(tokens, at + 2) == "(":
            break
        members.append(tokens[at + 1].text)
        at += 2
        allowed = {".", ".?"}
    return members, at


def _selection(tokens: Sequence[_Token], at: int) -> tuple[str, int] | None:
    """The member that is selected at a place, and the place after it."""
    match [token.text for token in tokens[at : at + 3]]:
        case [".", name, *_] | [".?", name, *_] if tokens[at + 1].kind == "name":
            return name, at + 2
        case ["[", literal, "]"] if _PLAIN_STRING.fullmatch(literal):
            return literal[1:-1], at + 3
    return None


def _tokens(expression: str) -> list[_Token]:
    return [
        _Token(str(match.lastgroup), match.group())
        for match in _TOKEN.finditer(expression)
        if match.lastgroup != "space"
    ]


def _is_name(token: _Token) -> bool:
    return token.kind == "name" and token.text not in _NO_NAMES


def _text(tokens: Sequence[_Token], at: int) -> str:
    return tokens[at].text if at < len(tokens) else ""
