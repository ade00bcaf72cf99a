"""Settings that an option gives, or else a variable of the environment."""

from __future__ import annotations

import os

from spire_bridge.errors import EXIT_USAGE, BridgeError


class MissingSetting(BridgeError):
    """Neither an option nor a variable says it."""

    code = "SETTING_MISSING"
    exit_status = EXIT_USAGE


def setting(given: str | None, *variables: str) -> str:
    """What the option says, or else the first of these variables that is set; else empty."""
    return given or next((v for name in variables if (v := os.environ.get(name))), "")


def needed(given: str | None, option: str, *variables: str) -> str:
    """As `setting`. Raises `MissingSetting`."""
    value = setting(given, *variables)
    if not value:
        ways = " or ".join((option, *(f"${name}" for name in variables)))
        raise MissingSetting(f"{option} is missing", hint=f"give {ways}")
    return value
