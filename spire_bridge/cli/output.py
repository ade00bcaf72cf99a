"""Printing: data to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2))


def print_note(text: str) -> None:
    """A line for the person at the terminal; it is no part of the result."""
    print(text, file=sys.stderr)


def from_now(epoch_seconds: float, now: float | None = None) -> str:
    """A time as it lies from now: `in 4m59s`, `2h03m ago`."""
    seconds = round(epoch_seconds - (time.time() if now is None else now))
    return f"in {span(seconds)}" if seconds >= 0 else f"{span(-seconds)} ago"


def span(seconds: float) -> str:
    """A length of time: `42s`, `4m59s`, `2h03m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
