"""Claims as Kubernetes decodes them: into Go's types, and into CEL's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from spire_bridge.cloud.cel import Expression
from spire_bridge.cloud.go_text import as_int64, json_kind, quoted

_STRINGS = frozenset({"iss", "sub", "nonce", "at_hash"})
_TIMES = frozenset({"exp", "iat", "nbf"})
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_ESCAPED = re.compile(r"__|[./-]")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


class NotOfType(Exception):
    """A claim is not of the type it is decoded into; the text is encoding/json's."""


def string(value: Any) -> str:
    """A string, to which null is the empty one. Raises `NotOfType`."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise NotOfType(_cannot(json_kind(value), "Go value of type string"))


def strings(value: Any) -> list[str]:
    """A list of strings, or one. Raises `NotOfType`."""
    if isinstance(value, list) and all(item is None or isinstance(item, str) for item in value):
        return [item or "" for item in value]
    return [] if value is None else [string(value)]


def boolean(value: Any) -> bool:
    """A bool, to which null is false. Raises `NotOfType`."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise NotOfType(_cannot(json_kind(value), "Go value of type bool"))


def wrong_type(claims: Mapping[str, Any]) -> str:
    """Why the registered claims can't be decoded; empty if they can."""
    for name, value in claims.items():
        if name == "aud" and (problem := _wrong_audience(value)):
            return problem
        if name in _TIMES and (problem := _wrong_time(name, value)):
            return problem
    for name, value in claims.items():  # the decoder goes on after these
        if name in _STRINGS and not (value is None or isinstance(value, str)):
            return _cannot(json_kind(value), f"Go struct field idToken.{name} of type string")
    return ""


def seconds(claims: Mapping[str, Any], name: str) -> int | None:
    """A time without its fraction; a number inside a string counts as well."""
    value = claims.get(name)
    if value is None:
        return None
    try:
        return as_int64(value if isinstance(value, int) else float(value))
    except ValueError:
        return None


def _wrong_audience(value: Any) -> str:
    if value is None or isinstance(value, str):
        return ""
    if not isinstance(value, list):
        return _cannot(json_kind(value), "Go struct field idToken.aud of type []string")
    for item in value:
        if not (item is None or isinstance(item, str)):
            return _cannot(json_kind(item), "Go struct field idToken.aud of type string")
    return ""


def _wrong_time(name: str, value: Any) -> str:
    if value is None:
        return "" if name == "nbf" else 'strconv.ParseFloat: parsing "": invalid syntax'
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return ""
        shown = quoted(quoted(value))
        return f"json: invalid number literal, trying to unmarshal {shown} into Number"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ""
    return _cannot(json_kind(value), f"Go struct field idToken.{name} of type json.Number")


def _cannot(kind: str, into: str) -> str:
    return f"json: cannot unmarshal {kind} into {into}"


def cel_value(value: Any, expressions: Iterable[Expression]) -> Any:
    """A decoded value as expressions see it: every number is a double.

    An expression may write the name of a member with `__dot__` and the like for what is no
    identifier; such members are then there under both names.
    """
    return _cel(value, escaped=any("__" in expression.text for expression in expressions))


def _cel(value: Any, *, escaped: bool) -> Any:
    match value:
        case dict():
            members = {name: _cel(item, escaped=escaped) for name, item in value.items()}
            if escaped:
                members |= {_escape(name): item for name, item in members.items()}
            return members
        case list():
            return [_cel(item, escaped=escaped) for item in value]
        case int() if not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                return float("inf")
    return value


def _escape(name: str) -> str:
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], name)
