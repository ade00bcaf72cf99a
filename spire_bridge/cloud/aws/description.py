"""Reading what people have of AWS: policies, roles and providers, as its tools print them.

Names are compared without case and underscores, so that the output of the AWS CLI, a
CloudFormation template's properties and a Terraform resource's attributes are one to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from spire_bridge.cloud.aws.policy import Policy
from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.strict_json import is_integer, parse_object

MAX_DESCRIPTION_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """An object of a description, its place, and its members by plain name."""

    place: str
    members: Mapping[str, Any]
    raw: Mapping[str, Any]

    def text(self, *names: str) -> str:
        """The first of these members that there is, which must be a text; else an empty one."""
        for name in names:
            value = self.members.get(name)
            if isinstance(value, str):
                return value
            if value is not None:
                raise InvalidTrust(f"{self.place}: {name}: must be a text")
        return ""

    def number(self, *names: str) -> int | None:
        for name in names:
            value = self.members.get(name)
            if is_integer(value):
                return value
            if value is not None:
                raise InvalidTrust(f"{self.place}: {name}: must be a whole number")
        return None


def read_description(data: bytes, name: str) -> Mapping[str, Any]:
    """A description's JSON object. Raises `InvalidTrust`."""
    try:
        return parse_object(data, what="description", max_bytes=MAX_DESCRIPTION_BYTES)
    except InvalidJson as error:
        problem = error.message
    raise InvalidTrust(f"{name}: {problem}")


def objects(description: Any, place: str) -> Iterator[Found]:
    """The objects of a description, from the outermost inwards; policies stay whole."""
    if isinstance(description, list):
        for position, item in enumerate(description):
            yield from objects(item, f"{place}[{position}]")
    if not isinstance(description, dict):
        return
    found = Found(place, {plain(key): value for key, value in description.items()}, description)
    yield found
    if "statement" in found.members:
        return
    for key, value in description.items():
        if plain(key) not in ("assumerolepolicydocument", "assumerolepolicy"):
            yield from objects(value, f"{place}.{key}" if ": " in place else f"{place}: {key}")


def plain(name: str) -> str:
    return name.replace("_", "").lower()


def policy(value: Any, place: str) -> Policy:
    """Compiles a policy: an object, its text, or its text URL-encoded as IAM's API gives it."""
    document = _document(value, place) if isinstance(value, str) else value
    if not isinstance(document, dict):
        raise InvalidTrust(f"{place}: must be a policy document")
    characters = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))
    return Policy.compile(document, place, characters=characters)


def _document(text: str, place: str) -> Mapping[str, Any]:
    decoded = unquote(text) if text.lstrip().startswith("%") else text
    try:
        return parse_object(
            decoded.encode("utf-8", "replace"),
            what="policy document",
            max_bytes=MAX_DESCRIPTION_BYTES,
        )
    except InvalidJson as error:
        problem = error.message
    raise InvalidTrust(f"{place}: {problem}")
