"""The fields of a Kubernetes configuration, and errors in the words of its API machinery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spire_bridge.cloud.go_text import quoted
from spire_bridge.cloud.trust_errors import InvalidTrust


class Fields:
    """One object of a document, at its place in it; `unknown` is the document's."""

    def __init__(
        self,
        values: Mapping[str, Any],
        name: str,
        place: str = "",
        unknown: list[str] | None = None,
    ) -> None:
        self.name = name
        self.unknown: list[str] = [] if unknown is None else unknown
        self._values = values
        self._place = place

    def at(self, key: str) -> str:
        return ".".join(part for part in (self._place, key) if part)

    def know(self, *keys: str) -> None:
        """Notes every field that is none of these."""
        self.unknown.extend(self.at(str(key)) for key in self._values if key not in keys)

    def has(self, key: str) -> bool:
        return bool(self._values.get(key))

    def text(self, key: str) -> str:
        return self.optional_text(key) or ""

    def optional_text(self, key: str) -> str | None:
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.problem(key, "it is no string")
        return value

    def flag(self, key: str) -> bool:
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise self.problem(key, "it is neither true nor false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key)
        items = [] if value is None else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise self.problem(key, "it is no list of strings")
        return tuple(items)

    def object(self, key: str) -> Fields:
        """An object; empty if it is absent."""
        value = self._values.get(key)
        return self._fields({} if value is None else value, key)

    def objects(self, key: str) -> list[Fields]:
        value = self._values.get(key)
        items = [] if value is None else value
        if not isinstance(items, list):
            raise self.problem(key, "it is no list")
        return [self._fields(item, f"{key}[{number}]") for number, item in enumerate(items)]

    def _fields(self, value: Any, key: str) -> Fields:
        if not isinstance(value, dict):
            raise self.problem(key, "it is no object")
        return Fields(value, self.name, self.at(key), self.unknown)

    def required(self, key: str, detail: str = "") -> InvalidTrust:
        return self.problem(key, "Required value" + (f": {detail}" if detail else ""))

    def invalid(self, key: str, value: str, detail: str) -> InvalidTrust:
        return self.problem(key, f"Invalid value: {quoted(value)}: {detail}")

    def duplicate(self, key: str, value: str) -> InvalidTrust:
        return self.problem(key, f"Duplicate value: {quoted(value)}")

    def problem(self, key: str, problem: str) -> InvalidTrust:
        return InvalidTrust(f"{self.name}: {self.at(key)}: {problem}")
