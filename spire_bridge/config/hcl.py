"""HCL 1, the dialect of SPIRE's own programs, and its JSON form.

Read as Go's decoder reads it into a structure: names whatever their case, a section given
twice merged with the later values winning, a labelled section's content out of reach.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spire_bridge.config import hcl_syntax
from spire_bridge.config.hcl_syntax import Blocks, Float, HclObject, Number
from spire_bridge.errors import BridgeError

_GO_DURATION = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
# Python's notation of octal numbers has a letter, which Go does without.
_OCTAL = re.compile(r"([-+]?)0[oO]?_?([0-7]+(?:_[0-7]+)*)")
_WHOLE_NUMBER = re.compile(r"[-+]?[0-9][0-9a-zA-Z_]*", re.ASCII)
_INT64 = range(-(2**63), 2**63)
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<braced>[^}]*)\}|(?P<bare>\w+))", re.ASCII)


class InvalidHcl(BridgeError):
    """A file in SPIRE's dialect can't be taken. SPIRE's programs end with 1 then, so do we."""

    code = "CONFIG_INVALID"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of such a file; `name` is empty for the whole file.

    `bare` has the names that stand without quotes, as they are spelled. The readers return
    the Go zero value for what is not set, and raise `InvalidHcl` for what Go's decoder refuses.
    """

    name: str
    values: Mapping[str, Any]
    bare: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def of(cls, name: str, value: HclObject) -> Section:
        """Names are found whatever their case."""
        return cls(name, {n.lower(): v for n, v in value.items()}, frozenset(value.bare))

    def text(self, key: str) -> str:
        """A string; Go's decoder takes a whole number for one too."""
        value = self.values.get(key, "")
        if not _is_text(value):
            raise self._expected(key, "a string")
        return str(value)

    def flag(self, key: str) -> bool:
        """A bool; neither a string nor a number is one."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self._expected(key, "true or false")
        return value

    def integer(self, key: str) -> int:
        """A whole number, or a string that is one, in Go's notation: 0640 is octal."""
        value = self.values.get(key, Number("0"))
        if not _is_text(value):
            raise self._expected(key, "a whole number")
        try:
            return parse_go_integer(value)
        except ValueError:
            raise self._expected(key, "a whole number") from None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(map(_is_text, value)):
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
        if not isinstance(value, HclObject | Blocks):
            raise self._expected(key, "a section")
        merged: dict[str, Any] = {}
        bare = frozenset[str]()
        for part in value if isinstance(value, Blocks) else [value]:
            section = Section.of(key, part)
            merged |= section.values
            bare |= section.bare
        return Section(key, merged, bare)

    def sections(self, key: str) -> tuple[Section, ...]:
        """A list of objects, which Go's decoder finds in `[{ … }]` and in no other form."""
        value = self.values.get(key, [])
        if type(value) is not list or not all(isinstance(item, HclObject) for item in value):
            raise self._expected(key, "a list of objects in HCL: [{ … }, { … }]")
        return tuple(Section.of(f"{key}[{number}]", item) for number, item in enumerate(value))

    def unknown(self, known: frozenset[str]) -> tuple[str, ...]:
        """Names that are set and mean nothing; SPIRE's programs ignore them."""
        return tuple(sorted(set(self.values) - known))

    def _expected(self, key: str, what: str) -> InvalidHcl:
        where = f"{self.name}.{key}" if self.name else key
        return InvalidHcl(f"unable to decode configuration: {where} must be {what}")


def parse_hcl(text: str, *, name: str) -> Section:
    """Reads HCL 1 or its JSON form; `name` stands for the file. Raises `InvalidHcl`."""
    if text.startswith("\ufeff"):
        raise InvalidHcl(f"unable to decode configuration: {name} starts with a byte order mark")
    try:
        value = _from_json(text) if text.lstrip().startswith("{") else hcl_syntax.parse(text)
    except (ValueError, RecursionError) as error:
        raise InvalidHcl(f"unable to decode configuration: {name}: {error}") from None
    return Section.of("", value)


def _from_json(text: str) -> HclObject:
    value = json.loads(text, parse_int=Number, parse_float=Float, parse_constant=Float)
    return _as_hcl(value)  # type: ignore[no-any-return]  # it starts with a brace


def _as_hcl(value: Any) -> Any:
    """In JSON a list of objects is how objects of one name are written."""
    if isinstance(value, dict):
        found = HclObject()
        for name, member in value.items():
            found.put(name, _as_hcl(member))
        return found
    if isinstance(value, list):
        members = [_as_hcl(member) for member in value]
        objects = members and all(isinstance(member, HclObject) for member in members)
        return Blocks(members) if objects else members
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, Float)


def parse_go_integer(text: str) -> int:
    """A whole number of 64 bits as Go reads it with base 0. Raises `ValueError`."""
    if match := _OCTAL.fullmatch(text):
        number = int(match[1] + match[2], 8)
    elif _WHOLE_NUMBER.fullmatch(text):
        number = int(text, 0)
    else:
        raise ValueError(text)
    if number not in _INT64:
        raise ValueError(text)
    return number


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
