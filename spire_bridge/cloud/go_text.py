"""Values as a Go program prints them: the messages of Vault and of Kubernetes are made of these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}


def quoted(text: str) -> str:
    """`%q` of a string."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_escaped, text))}"'


def quoted_list(texts: Iterable[str]) -> str:
    """`%q` of a slice of strings."""
    return f"[{' '.join(map(quoted, texts))}]"


def plain(value: Any) -> str:
    """`%v` of a value that was decoded from JSON, where every number is a float64."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number(value)
        case dict():
            members = (f"{key}:{plain(value[key])}" for key in sorted(value))
            return f"map[{' '.join(members)}]"
        case list():
            return f"[{' '.join(map(plain, value))}]"
    return str(value)


def json_kind(value: Any) -> str:
    """The kind of a JSON value, as encoding/json names it in its errors."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case dict():
            return "object"
        case list():
            return "array"
    return "string"


def as_int64(number: float) -> int:
    """A float64 without its fraction; what is too large for 64 bits, as amd64 converts it."""
    return int(number) if -(2.0**63) <= number < 2.0**63 else -(2**63)


def _number(value: float) -> str:
    try:
        number = float(value)
    except OverflowError:
        return str(value)
    if number.is_integer() and abs(number) < 1e21:
        return str(int(number))
    return repr(number)


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
