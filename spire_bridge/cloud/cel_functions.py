"""The functions that verifiers add to CEL, for an engine that has only the language's own.

Google's are those of IAM's documentation, Kubernetes' those of its CEL libraries (strings,
lists, regular expressions). A function called as a method has its target as first argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

Functions = Mapping[str, Callable[..., Any]]

_ASCII_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ASCII_LOWER = _ASCII_UPPER.lower()
_TO_LOWER = str.maketrans(_ASCII_UPPER, _ASCII_LOWER)
_TO_UPPER = str.maketrans(_ASCII_LOWER, _ASCII_UPPER)


def extract(text: str, template: str) -> str:
    """What stands in `text` where the template has its name in braces; empty without a match.

    Google Cloud IAM: conditions, `extract`. The first match counts, and a template that
    ends with the name takes the rest.
    """
    before, opened, rest = template.partition("{")
    name, closed, after = rest.partition("}")
    if not (opened and closed and name):
        raise ValueError("extract needs a name in braces in its template")
    start = text.find(before)
    if start < 0:
        return ""
    start += len(before)
    if not after:
        return text[start:]
    end = text.find(after, start)
    return text[start:end] if end >= 0 else ""


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        return list(text) if limit < 0 else [*text[: limit - 1], text[limit - 1 :]]
    return text.split(separator, limit - 1 if limit > 0 else -1)


def join(items: list[Any], separator: str = "") -> str:
    return separator.join(items)


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    return text.replace(old, new, limit)


def substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= start <= end <= len(text):
        raise ValueError("substring is out of range")
    return text[start:end]


def char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise ValueError("charAt is out of range")
    return text[index : index + 1]


def index_of(target: str | list[Any], item: Any, offset: int = 0) -> int:
    if isinstance(target, str):
        return target.find(item, offset)
    return target.index(item) if item in target else -1


def last_index_of(target: str | list[Any], item: Any) -> int:
    if isinstance(target, str):
        return target.rfind(item)
    return max((at for at, other in enumerate(target) if other == item), default=-1)


def lower_ascii(text: str) -> str:
    return text.translate(_TO_LOWER)


def upper_ascii(text: str) -> str:
    return text.translate(_TO_UPPER)


def trim(text: str) -> str:
    return text.strip()


def reverse(target: str | list[Any]) -> str | list[Any]:
    return target[::-1]


def find(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match.group() if match else ""


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group() for match in re.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


def is_sorted(items: list[Any]) -> bool:
    return all(a <= b for a, b in pairwise(items))


def string(value: Any) -> str:
    """What the engine's own `string` leaves out."""
    if isinstance(value, bool):
        return "true" if value else "false"
    raise ValueError("string can't convert this type")


_STRINGS: Functions = {
    "charAt": char_at,
    "indexOf": index_of,
    "join": join,
    "lastIndexOf": last_index_of,
    "lowerAscii": lower_ascii,
    "replace": replace,
    "split": split,
    "string": string,
    "substring": substring,
    "trim": trim,
    "upperAscii": upper_ascii,
}

GOOGLE: Functions = {**_STRINGS, "extract": extract}

KUBERNETES: Functions = {
    **_STRINGS,
    "find": find,
    "findAll": find_all,
    "isSorted": is_sorted,
    "max": max,
    "min": min,
    "reverse": reverse,
    "sum": sum,
}
