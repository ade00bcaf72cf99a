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
class Token:
    kind: str
    text: str


def tokens_of(expression: str) -> list[Token]:
    return [
        Token(str(match.lastgroup), match.group())
        for match in _TOKEN.finditer(expression)
        if match.lastgroup != "space"
    ]


def read_path(tokens: Sequence[Token]) -> tuple[tuple[str, ...], int]:
    """The selection that tokens begin with, such as `claims.email` or `claims['a.b']`, its root
    first, and how many tokens it takes; empty if they begin with none.
    """
    if not tokens or not _is_name(tokens[0]):
        return (), 0
    path, at = [tokens[0].text], 1
    while at < len(tokens) and tokens[at].text != ".?":
        step = _selection(tokens, at)
        if step is None:
            break
        member, at = step
        path.append(member)
    return tuple(path), at


def whole_path(tokens: Sequence[Token]) -> tuple[str, ...] | None:
    """The selection that tokens are, and nothing beside it."""
    path, at = read_path(tokens)
    return path if path and at == len(tokens) else None


def selected_path(expression: str) -> tuple[str, ...] | None:
    """The path of an expression that only selects; None if it does anything else."""
    return whole_path(tokens_of(expression))


def plain_string(text: str) -> str | None:
    """What a string token without escapes stands for."""
    return text[1:-1] if _PLAIN_STRING.fullmatch(text) else None


def members_read(expression: str, root: str) -> frozenset[str] | None:
    """The members of a root that an expression may read; None if it may read any of them."""
    tokens = tokens_of(expression)
    members: set[str] = set()
    for at, token in enumerate(tokens):
        if token != Token("name", root) or (at and tokens[at - 1].text in {".", ".?"}):
            continue
        step = _selection(tokens, at + 1)
        if step is None or _text(tokens, step[1]) == "(":  # the root itself, or its method
            return None
        members.add(step[0])
    return frozenset(members)


def names(expression: str) -> Collection[str]:
    """Every name in an expression, outside strings."""
    return {token.text for token in tokens_of(expression) if token.kind == "name"}


def without_optional_selections(expression: str, function: str) -> str:
    """Writes `a.b.?c.d` as `function(a.b, ["c", "d"])`, for an engine without that syntax.

    Once a selection is optional, so are those that follow it (CEL's optional values).
    """
    if ".?" not in expression:
        return expression
    tokens = tokens_of(expression)
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


def _optional_chain(tokens: Sequence[Token], at: int) -> tuple[list[str], int]:
    members: list[str] = []
    allowed = {".?"}
    while _text(tokens, at) in allowed and at + 1 < len(tokens):
        if tokens[at + 1].kind != "name" or _text(tokens, at + 2) == "(":
            break
        members.append(tokens[at + 1].text)
        at += 2
        allowed = {".", ".?"}
    return members, at


def _selection(tokens: Sequence[Token], at: int) -> tuple[str, int] | None:
    """The member that is selected at a place, and the place after it."""
    match [token.text for token in tokens[at : at + 3]]:
        case [".", name, *_] | [".?", name, *_] if tokens[at + 1].kind == "name":
            return name, at + 2
        case ["[", literal, "]"] if _PLAIN_STRING.fullmatch(literal):
            return literal[1:-1], at + 3
    return None


def _is_name(token: Token) -> bool:
    return token.kind == "name" and token.text not in _NO_NAMES


def _text(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if at < len(tokens) else ""
