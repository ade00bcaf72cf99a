"""A Kubernetes configuration file: YAML that anyone may have written, read within limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from spire_bridge.cloud.trust_errors import InvalidTrust

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_ALIASES = 100
MAX_EVENTS = 100_000


class _Loader(yaml.SafeLoader):
    """As Kubernetes' reader: no key is given twice, a date is text, and y and n are bools."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to configure a loader
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key.value!r} is given twice", problem_mark=key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_bool(self, node: Any) -> Any:
        short = {"y": True, "n": False}.get(str(node.value).lower())
        return super().construct_yaml_bool(node) if short is None else short


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), list("yYnN"))
_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.construct_yaml_bool)


def read_object(data: bytes, *, name: str) -> Mapping[str, Any]:
    """The one YAML or JSON object in the file. Raises `InvalidTrust`."""
    if len(data) > MAX_BYTES:
        raise InvalidTrust(f"{name}: it is larger than {MAX_BYTES} bytes")
    try:
        text = data.decode()
        _check_limits(text, name)
        value = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise InvalidTrust(f"{name}: {where}{error.problem or 'it is no YAML'}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidTrust(f"{name}: it is no YAML") from None
    if not isinstance(value, dict):
        raise InvalidTrust(f"{name}: it is no YAML object")
    return value


def _check_limits(text: str, name: str) -> None:
    depth = aliases = 0
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for number, event in enumerate(yaml.parse(text, loader)):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or number > MAX_EVENTS or aliases > MAX_ALIASES:
            raise InvalidTrust(f"{name}: it is too deep, too long or has too many aliases")
