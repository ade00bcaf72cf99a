"""HCL 1, the dialect of SPIRE's own programs, and its JSON form.

Read as Go's decoder reads it into a structure: names whatever their case, a section given
twice merged with the later values winning, a labelled section's content out of reach.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.errors import BridgeError

_GO_DURATION = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
_WHOLE_NUMBER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|[1-9][0-9]*|0)")
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<braced>[^}]*)\}|(?P<bare>\w+))", re.ASCII)


class InvalidHcl(BridgeError):
    """A file in SPIRE's dialect can't be taken. SPIRE's programs end with 1 then, so do we."""

    code = "CONFIG_INVALID"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of such a file; `name` is empty for the whole file.

    The readers return the Go zero value for what is not set, and raise `InvalidHcl` for
    what Go's decoder refuses.
    """

    name: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """A string; Go's decoder takes a number for one too."""
        value = self.values.get(key, "")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._expected(key, "a string")
        return str(value)

    def flag(self, key: str) -> bool:
        """A bool; neither a string nor a number is one."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self._expected(key, "true or false")
        return value

    def integer(self, key: str) -> int:
        """A whole number, or a string that is one."""
        value = self.values.get(key, 0)
        if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
            return int(value, 0)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._expected(key, "a whole number")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(item, str | int | float) and not isinstance(item, bool) for item in value
        ):
            raise self._expected(key, "a list of strings")
        return tuple(str(item) for item in value)

    def seconds(self, key: str, default: float) -> float:
        """A duration as Go writes it (`10s`, `1m30s`); zero and below mean the default."""
        text = self.text(key)
        if not text:
            return default
        try:
            seconds = parse_go_duration(text)
        except ValueError:
            raise InvalidHcl(
                f"invalid {key} in the {self.name} configuration section: {text!r} is no duration",
                hint="a duration has a unit: 10s, 1m30s",
            ) from None
        return seconds if seconds > 0 else default

    def section(self, key: str) -> Section | None:
        """A section within; None if there is none."""
        value = self.values.get(key)
        if value is None:
            return None
        merged: dict[str, Any] = {}
        for part in value if isinstance(value, list) else [value]:
            if not isinstance(part, dict):
                raise self._expected(key, "a section")
            merged.update(_lower_names(part))
        return Section(key, merged)

    def unknown(self, known: frozenset[str]) -> tuple[str, ...]:
        """Names that are set and mean nothing; SPIRE's programs ignore them."""
        return tuple(sorted(set(self.values) - known))

    def _expected(self, key: str, what: str) -> InvalidHcl:
        where = f"{self.name}.{key}" if self.name else key
        return InvalidHcl(f"unable to decode configuration: {where} must be {what}")


def parse_hcl(text: str, *, name: str) -> Section:
    """Reads HCL 1 or its JSON form; `name` stands for the file. Raises `InvalidHcl`."""
    import hcl

    if text.startswith("\ufeff"):
        raise InvalidHcl(f"unable to decode configuration: {name} starts with a byte order mark")
    try:
        value = hcl.loads(text) if text.strip() else {}
    # The parser works out sums on the way, which the language doesn't have.
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidHcl(f"unable to decode configuration: {name}: {error}") from None
    if not isinstance(value, dict):
        raise InvalidHcl(f"unable to decode configuration: {name} is no HCL")
    return Section("", _lower_names(value))


def expand_environment(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Replaces `$NAME` and `${NAME}`, unset ones by nothing, and `$$` by a dollar sign."""

    def value(match: re.Match[str]) -> str:
        variable = match["braced"] or match["bare"]
        return environment.get(variable, "") if variable else "$"

    return _VARIABLE.sub(value, text)


def parse_go_duration(text: str) -> float:
    """Seconds from Go's notation. Raises `ValueError`."""
    if text in {"0", "+0", "-0"}:
        return 0.0
    unsigned = text.lstrip("+-")
    if not _GO_DURATION.match(text) or _DURATION_PART.sub("", unsigned):
        raise ValueError(text)
    seconds = sum(float(n) * _UNIT_SECONDS[unit] for n, unit in _DURATION_PART.findall(unsigned))
    return -seconds if text.startswith("-") else seconds


def _lower_names(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in values.items()}
