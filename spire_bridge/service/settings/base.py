"""What all settings share: they are immutable, strict, and checked by the values' own parsers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.errors import BridgeError
from spire_bridge.issuer.url import IssuerUrl

# What an operator may call a source, an issuer or a target.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z"


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings are immutable, and an unknown one is an error."""


def check(parse: Callable[[str], object], setting: str, text: str) -> None:
    """Has a value's own parser judge it."""
    try:
        parse(text)
    except BridgeError as error:
        advice = f" ({error.hint})" if error.hint else ""
        raise InvalidSetting(setting, f"{error.message}{advice}") from None


def check_absolute(setting: str, text: str) -> None:
    if not Path(text).is_absolute():
        raise InvalidSetting(setting, "Expected an absolute path")


def check_https(setting: str, text: str) -> None:
    """An https URL, of whatever path; http is admitted on loopback."""
    check(IssuerUrl.parse, setting, text.partition("?")[0])


def check_different(setting: str, rule: str, values: Iterable[str]) -> None:
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
    if twice:
        raise InvalidSetting(setting, f"{rule}; twice: {', '.join(twice)}")
