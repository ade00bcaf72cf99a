"""How Vault and OpenBao look a claim up and compare it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from spire_bridge.cloud.go_text import as_int64


class Product(StrEnum):
    VAULT = "vault"
    OPENBAO = "openbao"


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written: the plugin compares the digits, not the value."""

    text: str


def claim(claims: Mapping[str, Any], name: str, product: Product) -> Any:
    """The claim of that name or JSON pointer; None if there is none.

    A number loses its fraction. OpenBao makes a list of an `aud` that is a string.
    """
    value = _pointed_to(claims, name) if name.startswith("/") else claims.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _truncated(value)
    if name == "aud" and product is Product.OPENBAO and isinstance(value, str):
        return [value]
    return value


def normalized(value: Any) -> Sequence[Any] | None:
    """A claim as a list; None if it is of a kind that the plugin can't compare."""
    if isinstance(value, list | tuple):
        return value
    return [value] if isinstance(value, str | bool | Number) else None


def matches(wanted: Sequence[Any], found: Sequence[Any], *, glob: bool) -> bool:
    """Whether any of the values found is any of those wanted."""
    if glob:
        texts = [value for value in found if isinstance(value, str)]
        return any(globs(pattern, text) for pattern in wanted for text in texts)
    return any(_equal(one, other) for one in wanted for other in found)


def globs(pattern: str, text: str) -> bool:
    """github.com/ryanuber/go-glob: `*` is any run of characters, slashes as well."""
    if "*" not in pattern:
        return pattern == text
    first, *middle, last = pattern.split("*")
    if not text.startswith(first):
        return False
    rest = text[len(first) :]
    for part in middle:
        place = rest.find(part)
        if place < 0:
            return False
        rest = rest[place + len(part) :]
    return rest.endswith(last)


def _pointed_to(claims: Mapping[str, Any], pointer: str) -> Any:
    """RFC 6901, as github.com/mitchellh/pointerstructure has it."""
    value: Any = claims
    for part in pointer[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit():
            index = int(name) if len(name) < 10 else len(value)
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def _truncated(value: float) -> Number:
    try:
        return Number(str(as_int64(float(value))))
    except OverflowError:  # an integer of hundreds of digits
        return Number(str(-(2**63)))


def _equal(one: Any, other: Any) -> bool:
    # A number inside a list of the token stays a float, which no bound value ever is.
    return type(one) is type(other) and bool(one == other)
