"""Strict YAML: a file becomes a typed value, or an error with file, line and path.

The type is a `msgspec.Struct`, whose annotations say names, ranges and allowed values;
the JSON Schema comes from the same type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited

MAX_FILE_BYTES = 1024 * 1024

T = TypeVar("T", bound=msgspec.Struct)

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")
_NOT_TEXT = re.compile(r"Expected `str`, got `(?:bool|int|float|null)`")

_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"yes", "true", "on"})
# YAML 1.1 reads 0300 as 192 and 5:00 as 300: numbers are taken only as everybody reads them.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,999})")
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?")


class InvalidConfig(BridgeError):
    """A configuration file can't be taken; the message says where and what is allowed."""

    code = "CONFIG_INVALID"
    exit_status = EXIT_USAGE


class InvalidSetting(ValueError):
    """Raised in `__post_init__`: says which of the object's settings is wrong.

    The setting may lie deeper: `workloads[2].aws.role`.
    """

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


def load(path: Path, kind: type[T]) -> T:
    """Reads the YAML file at `path` as a `kind`. Raises `InvalidConfig`."""
    return parse(_read(path), kind, name=str(path))


def load_one_of(path: Path, kinds: Sequence[type[T]]) -> T:
    """Reads the file as the kind that knows most of its names, the first of several such.

    Raises `InvalidConfig`, of that kind.
    """
    root, value = _plain(_read(path), str(path))
    names = value.keys() if isinstance(value, dict) else set()
    kind = max(kinds, key=lambda kind: len(names & set(kind.__struct_fields__)))
    return _converted(value, root, kind, str(path))


def parse(data: bytes, kind: type[T], *, name: str) -> T:
    """Reads YAML as a `kind`; `name` stands for the file in messages. Raises `InvalidConfig`."""
    root, value = _plain(data, name)
    return _converted(value, root, kind, name)


def json_schema(kind: type[msgspec.Struct]) -> str:
    """The JSON Schema (2020-12) of a `kind`, for editors and checks."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(kind),
    }
    return json.dumps(schema, indent=2)


def _read(path: Path) -> bytes:
    try:
        return read_limited(path, max_bytes=MAX_FILE_BYTES)
    except FileFailure as error:
        raise InvalidConfig(error.message) from None


def _plain(data: bytes, name: str) -> tuple[Node | None, Any]:
    """The document's nodes, and what it says; an empty one says nothing of any setting."""
    root = _compose(data, name)
    value = _value(root, name, set()) if root is not None else None
    return root, value if value is not None else {}


def _converted(value: Any, root: Node | None, kind: type[T], name: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _located(error, root, kind, name) from None


def _compose(data: bytes, name: str) -> Node | None:
    """The document's nodes, which know their lines."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidConfig(f"{name}:{line}: not UTF-8 text") from None
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidConfig(f"{name}:{line}: a character that YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, error.problem or "not YAML"
        where = f":{mark.line + 1}" if mark else ""
        context = f"{error.context}, " if problem.startswith("but ") else ""
        raise InvalidConfig(f"{name}{where}: {context}{problem}") from None
    except RecursionError:
        raise InvalidConfig(f"{name}: nested too deeply") from None


def _value(node: Node, name: str, seen: set[int]) -> Any:
    """What a node stands for, in plain types.

    Refuses keys that stand twice, keys that are no text, repeated lists and objects (some
    lines of aliases can be endless to walk), and types that no setting has, such as dates.
    """
    if isinstance(node, ScalarNode):
        return _scalar(node, name)
    if id(node) in seen:
        raise InvalidConfig(f"{name}:{_line(node)}: anchors on lists and objects are not taken")
    seen.add(id(node))
    if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
        return [_value(item, name, seen) for item in node.value]
    if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
        return _mapping(node, name, seen)
    raise _type_not_taken(node, name)


def _mapping(node: MappingNode, name: str, seen: set[int]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode) or key.tag != f"{_TAG}str":
            raise InvalidConfig(f"{name}:{_line(key)}: a key must be plain text")
        text = _text(key, name)
        if text in mapping:
            raise InvalidConfig(f"{name}:{_line(key)}: {text!r} is set twice")
        mapping[text] = _value(value, name, seen)
    return mapping


def _scalar(node: ScalarNode, name: str) -> str | bool | int | float | None:
    text = str(node.value)
    match node.tag.removeprefix(_TAG):
        case "str":
            return _text(node, name)
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int" if _INTEGER.fullmatch(text):
            return int(text)
        case "float" if _FLOAT.fullmatch(text):
            return float(text)
        case "int" | "float":
            raise InvalidConfig(
                f"{name}:{_line(node)}: {text[:40]!r} is not a plain decimal number",
                hint="put it in quotes if it is text",
            )
    raise _type_not_taken(node, name)


def _text(node: ScalarNode, name: str) -> str:
    text = str(node.value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidConfig(f"{name}:{_line(node)}: half of a surrogate pair is no character")
    return text


def _type_not_taken(node: Node, name: str) -> InvalidConfig:
    kind = node.tag.removeprefix(_TAG)
    return InvalidConfig(
        f"{name}:{_line(node)}: YAML's type {kind!r} is not taken",
        hint="put the value in quotes if it is text",
    )


def _located(
    error: msgspec.ValidationError, root: Node | None, kind: type[msgspec.Struct], name: str
) -> InvalidConfig:
    match = _PATH.match(str(error))
    what, steps = (match["what"], _steps(match["path"] or "")) if match else (str(error), [])
    what = what.replace(" | null`", "`")  # a setting that may be left out
    hint = None
    if unknown := _UNKNOWN.fullmatch(what):
        what = f"unknown setting {unknown['name']!r}"
        hint = _allowed(_names(_type_at(steps, kind)))
        steps.append(unknown["name"])
    elif missing := _MISSING.fullmatch(what):
        what = "this setting is missing"
        steps.append(missing["name"])
    elif what.startswith("Invalid enum value"):
        hint = _allowed(_choices(_type_at(steps, kind)))
    elif _NOT_TEXT.match(what):
        hint = "put the value in quotes to have it taken as text"
    elif isinstance(error.__cause__, InvalidSetting):
        steps += _steps(f".{error.__cause__.setting}")
    line = _line(_node_at(steps, root)) if root is not None else 1
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    where = f"{where.removeprefix('.')}: " if where else ""
    return InvalidConfig(f"{name}:{line}: {where}{what}", hint=hint)


def _allowed(names: tuple[str, ...]) -> str | None:
    return f"allowed here: {', '.join(names)}" if names else None


def _steps(path: str) -> list[str | int]:
    return [m["name"] or int(m["index"]) for m in _STEP.finditer(path)]


def _node_at(steps: list[str | int], root: Node) -> Any:
    """The key or item that the steps lead to, or the last one on the way."""
    place: Any = root
    node: Any = root
    for step in steps:
        if isinstance(node, MappingNode):
            found = next((pair for pair in node.value if pair[0].value == step), None)
            if found is None:
                break
            place, node = found
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            place = node = node.value[step]
    return place


def _type_at(steps: list[str | int], kind: Any) -> Any:
    """msgspec's description of the type at the end of `steps`; None where there is none."""
    info: Any = msgspec.inspect.type_info(kind)
    for step in steps:
        options = getattr(info, "types", (info,))
        if isinstance(step, int):
            info = next((o.item_type for o in options if hasattr(o, "item_type")), None)
        else:
            fields = {f.encode_name: f.type for o in options for f in getattr(o, "fields", ())}
            info = fields.get(step)
        info = getattr(info, "type", info)  # without the Metadata around it
    return info


def _names(info: Any) -> tuple[str, ...]:
    """The names of the settings in an object of this type."""
    options = getattr(info, "types", (info,))
    return tuple(f.encode_name for o in options for f in getattr(o, "fields", ()))


def _choices(info: Any) -> tuple[str, ...]:
    """The values of an enumeration."""
    options = getattr(info, "types", (info,))
    return tuple(str(value) for o in options for value in getattr(o, "values", ()))


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
