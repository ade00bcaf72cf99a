"""What a plan or state says of a trust: a description of it, or why there is none yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.cloud.terraform.resources import Resource


@dataclass(frozen=True, slots=True)
class Described:
    """A trust, in the shape that the verifier's `parse_trust` takes."""

    verifier: str
    address: str
    data: bytes

    @classmethod
    def of(cls, verifier: str, resource: Resource, content: Mapping[str, Any]) -> Described:
        return cls(verifier, resource.address, json.dumps(content).encode())


@dataclass(frozen=True, slots=True)
class Open:
    """A resource whose trust can't be told before the plan was applied, and why."""

    address: str
    reason: str

    @classmethod
    def until_applied(cls, resource: Resource, attribute: str) -> Open:
        return cls(resource.address, f"{attribute} is known only after the plan was applied")


def known(resource: Resource, *attributes: str) -> dict[str, Any]:
    """Those of the attributes that have a value."""
    values = ((name, resource.values.get(name)) for name in attributes)
    return {name: value for name, value in values if value is not None}
