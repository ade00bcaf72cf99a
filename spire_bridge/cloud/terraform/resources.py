"""The resources of a Terraform plan or state, in the JSON of `terraform show -json`.

https://developer.hashicorp.com/terraform/internals/json-format, format versions 0.1 to 1.x.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spire_bridge.cloud.trust_errors import InvalidTrust

_MAX_DEPTH = 64  # modules within modules
_NO_PLAN = "`terraform show -json FILE` prints what is needed, of a plan or of the state"


@dataclass(frozen=True, slots=True)
class Resource:
    """A managed resource with its values as they are, or are planned to be.

    `unknown` are the attributes that are known, in whole or in part, only after the plan was
    applied; they are absent from `values`, or incomplete.
    """

    address: str
    type: str
    values: Mapping[str, Any]
    unknown: frozenset[str] = field(default_factory=frozenset)

    def text(self, attribute: str) -> str | None:
        """An attribute that is a string."""
        value = self.values.get(attribute)
        return value if isinstance(value, str) else None


def read_resources(data: bytes, *, name: str) -> tuple[Resource, ...]:
    """All managed resources, in the document's order. Raises `InvalidTrust`."""
    document = _document(data, name)
    values = document.get("planned_values", document.get("values"))
    if "format_version" not in document or not isinstance(values, dict):
        raise InvalidTrust(f"{name}: this is no plan and no state", hint=_NO_PLAN)
    module = values.get("root_module", {})
    unknown = _unknown_after(document.get("resource_changes"))
    return tuple(_resources(module, unknown, name, _MAX_DEPTH))


def _document(data: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidTrust(f"{name}: this is no JSON", hint=_NO_PLAN) from None
    if not isinstance(document, dict):
        raise InvalidTrust(f"{name}: this is no JSON object", hint=_NO_PLAN)
    return document


def _resources(
    module: Any, unknown: Mapping[str, frozenset[str]], name: str, levels: int
) -> Iterator[Resource]:
    if not levels:
        raise InvalidTrust(f"{name}: modules are nested more than {_MAX_DEPTH} deep")
    for item in _objects(module, "resources", name):
        address, kind, values = (item.get(member) for member in ("address", "type", "values"))
        if not isinstance(address, str) or not isinstance(kind, str):
            raise InvalidTrust(f"{name}: a resource has no address or no type")
        if item.get("mode", "managed") == "managed":
            known = values if isinstance(values, dict) else {}
            yield Resource(address, kind, known, unknown.get(address, frozenset()))
    for child in _objects(module, "child_modules", name):
        yield from _resources(child, unknown, name, levels - 1)


def _objects(module: Any, member: str, name: str) -> Iterator[dict[str, Any]]:
    items = module.get(member, []) if isinstance(module, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidTrust(f"{name}: a module's {member} is no list of objects")
    yield from items


def _unknown_after(changes: Any) -> dict[str, frozenset[str]]:
    """The attributes that a plan leaves open, by the address of their resource."""
    unknown = {}
    for change in changes if isinstance(changes, list) else ():
        after = change.get("change") if isinstance(change, dict) else None
        left_open = after.get("after_unknown") if isinstance(after, dict) else None
        if isinstance(left_open, dict) and isinstance(change.get("address"), str):
            unknown[change["address"]] = frozenset(
                name for name, value in left_open.items() if _holds_true(value)
            )
    return unknown


def _holds_true(value: Any) -> bool:
    """Whether `after_unknown` marks a value, or something in it, as unknown."""
    pending = [value]
    while pending:
        item = pending.pop()
        if item is True:
            return True
        if isinstance(item, dict | list):
            pending.extend(item.values() if isinstance(item, dict) else item)
    return False
