"""Strict YAML: a file becomes a typed value, or an error with file, line and path.

The type is a `msgspec.Struct`, whose annotations say names, ranges and allowed values;
the JSON Schema comes from the same type.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.files import FileFailure, read_limited

MAX_FILE_BYTES = 1024 * 1024

T = TypeVar("T", bound=msgspec.Struct)

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`")


class InvalidConfig(BridgeError):
    """A configuration file can't be taken; the message says where and what is allowed."""

    code = "CONFIG_INVALID"
    exit_status = EXIT_USAGE


def load(path: Path, kind: type[T]) -> T:
    """Reads the YAML file at `path` as a `kind`. Raises `InvalidConfig`."""
    try:
        data = read_limited(path, max_bytes=MAX_FILE_BYTES)
    except FileFailure as error:
        raise InvalidConfig(error.message) from None
    return parse(data, kind, name=str(path))


def parse(data: bytes, kind: type[T], *, name: str) -> T:
    """Reads YAML as a `kind`; `name` stands for the file in messages. Raises `InvalidConfig`."""
    root = _compose(data, name)
    value = yaml.SafeLoader("").construct_document(root) if root is not None else None
    try:
        return msgspec.convert(value if value is not None else {}, kind)
    except msgspec.ValidationError as error:
        raise _located(error, root, kind, name) from None


def json_schema(kind: type[msgspec.Struct]) -> str:
    """The JSON Schema (2020-12) of a `kind`, for editors and checks."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(kind),
    }
    return json.dumps(schema, indent=2)


def _compose(data: bytes, name: str) -> Node | None:
    """The document's nodes, which know their lines, after a check for repeated keys."""
    try:
        root = yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise InvalidConfig(f"{name} is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}" if mark else ""
        raise InvalidConfig(f"{name}{where}: {error.problem}") from None
    except (yaml.YAMLError, RecursionError):
        raise InvalidConfig(f"{name} is not YAML") from None
    if root is not None:
        _check(root, name, set())
    return root


def _check(node: Node, name: str, seen: set[int]) -> None:
    """Refuses keys that stand twice, keys that are no text, and repeated lists and objects."""
    if isinstance(node, ScalarNode):
        return
    if id(node) in seen:  # aliases can make a small file endless to walk
        raise InvalidConfig(f"{name}:{_line(node)}: anchors on lists and objects are not taken")
    seen.add(id(node))
    if isinstance(node, MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise InvalidConfig(f"{name}:{_line(key)}: a key must be plain text")
            if key.value in keys:
                raise InvalidConfig(f"{name}:{_line(key)}: {key.value!r} is set twice")
            keys.add(key.value)
            _check(value, name, seen)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            _check(item, name, seen)


def _located(
    error: msgspec.ValidationError, root: Node | None, kind: type[msgspec.Struct], name: str
) -> InvalidConfig:
    match = _PATH.match(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    hint = None
    unknown = _UNKNOWN.match(what)
    if unknown:
        what = f"unknown setting {unknown['name']!r}"
        allowed = _settings_at(path, kind)
        hint = f"allowed here: {', '.join(allowed)}" if allowed else None
        path = f"{path}.{unknown['name']}"
    line = _line(_node_at(path, root)) if root is not None else 1
    where = path.removeprefix(".")
    return InvalidConfig(f"{name}:{line}: {f'{where}: ' if where else ''}{what}", hint=hint)


def _steps(path: str) -> list[str | int]:
    return [m["name"] or int(m["index"]) for m in _STEP.finditer(path)]


def _node_at(path: str, root: Node | None) -> Any:
    """The node that a path leads to, or the last one on the way."""
    node: Any = root
    for step in _steps(path):
        if isinstance(node, MappingNode):
            found = next((pair for pair in node.value if pair[0].value == step), None)
            if found is None:
                return node
            node = found[1] if isinstance(found[1], MappingNode | SequenceNode) else found[0]
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
    return node


def _settings_at(path: str, kind: Any) -> tuple[str, ...]:
    """The names that the type allows in the object at `path`."""
    info: Any = msgspec.inspect.type_info(kind)
    for step in _steps(path):
        options = getattr(info, "types", (info,))
        info = next((o for o in options if hasattr(o, "fields") or hasattr(o, "item_type")), None)
        if isinstance(step, int):
            info = getattr(info, "item_type", None)
        else:
            fields = {field.encode_name: field.type for field in getattr(info, "fields", ())}
            info = fields.get(step)
    options = getattr(info, "types", (info,))
    return tuple(f.encode_name for o in options for f in getattr(o, "fields", ()))


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
