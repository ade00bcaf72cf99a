"""Reading a trust description in JSON, with the place of whatever is wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.strict_json import parse_object

MAX_TRUST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TrustObject:
    """A JSON object in the description of that name; members that nobody asks for are ignored."""

    name: str
    place: str
    members: Mapping[str, Any]

    @classmethod
    def read(cls, data: bytes, *, name: str) -> Self:
        """Raises `InvalidTrust` for what is no JSON object of at most a megabyte."""
        try:
            members = parse_object(data, what="the description", max_bytes=MAX_TRUST_BYTES)
        except InvalidJson as error:
            raise InvalidTrust(f"{name}: {error.message}") from None
        return cls(name, "", members)

    def at(self, member: str) -> str:
        return f"{self.place}.{member}" if self.place else member

    def wrong(self, member: str, problem: str, *, hint: str | None = None) -> InvalidTrust:
        return InvalidTrust(f"{self.name}: {self.at(member)}: {problem}", hint=hint)

    def has(self, member: str) -> bool:
        return self.members.get(member) is not None

    def text(self, member: str) -> str:
        """A string that must be there, and not empty."""
        value = self.optional_text(member)
        if not value:
            raise self.wrong(member, "is missing")
        return value

    def optional_text(self, member: str) -> str:
        value = self.members.get(member)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(member, "is no string")
        return value

    def flag(self, member: str) -> bool:
        value = self.members.get(member, False)
        if not isinstance(value, bool):
            raise self.wrong(member, "is neither true nor false")
        return value

    def texts(self, member: str) -> tuple[str, ...]:
        """A list of strings; empty if it is absent."""
        value = self.members.get(member)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(member, "is no list of strings")
        return tuple(value)

    def object(self, member: str) -> TrustObject:
        """An object that must be there."""
        value = self.members.get(member)
        if value is None:
            raise self.wrong(member, "is missing")
        if not isinstance(value, dict):
            raise self.wrong(member, "is no object")
        return TrustObject(self.name, self.at(member), value)

    def optional_object(self, member: str) -> TrustObject:
        """An object; an empty one if it is absent."""
        if not self.has(member):
            return TrustObject(self.name, self.at(member), {})
        return self.object(member)

    def objects(self, member: str) -> tuple[TrustObject, ...]:
        """A list of objects; empty if it is absent."""
        value = self.members.get(member)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong(member, "is no list of objects")
        return tuple(
            TrustObject(self.name, f"{self.at(member)}[{number}]", item)
            for number, item in enumerate(value)
        )
