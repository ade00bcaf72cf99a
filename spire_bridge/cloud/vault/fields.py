"""The fields of a role or a config, as people and as Vault write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.cloud.vault.claims import Number

_DURATION = re.compile(r"(-?[0-9]{1,9})(s|m|h)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600}


class Fields:
    """One JSON object of a description; each reader raises `InvalidTrust` with the place."""

    def __init__(self, values: Mapping[str, Any], name: str, place: str = "") -> None:
        self._values = values
        self._name = name
        self._place = place

    def has(self, key: str) -> bool:
        return self._values.get(key) not in (None, "", [], {})

    def text(self, key: str) -> str:
        value = self._values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.invalid(key, "it is no string")
        return value

    def texts(self, key: str, *, split: bool = True) -> tuple[str, ...]:
        """A list of strings, or one that Vault would split at its commas."""
        value = self._values.get(key)
        if value is None or value == "":
            return ()
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",")) if split else (value,)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.invalid(key, "it is no list of strings")
        return tuple(value)

    def flag(self, key: str) -> bool:
        value = self._values.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self.invalid(key, "it is neither true nor false")

    def seconds(self, key: str) -> int:
        """A number of seconds, or a duration such as 60s or 5m."""
        value = self._values.get(key)
        if value is None or value == "":
            return 0
        text = value.text if isinstance(value, Number) else value
        duration = _DURATION.fullmatch(text) if isinstance(text, str) else None
        if duration is None:
            raise self.invalid(key, "it is no duration in seconds")
        return int(duration[1]) * _SECONDS[duration[2]]

    def members(self, key: str) -> Mapping[str, Any]:
        value = self._values.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.invalid(key, "it is no JSON object")
        return value

    def invalid(self, key: str, reason: str) -> InvalidTrust:
        place = ".".join(part for part in (self._place, key) if part)
        return InvalidTrust(
            f"{self._name}: {place}: {reason}" if place else f"{self._name}: {reason}"
        )
