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
    distance = abs(seconds)
    if distance < 60:
        text = f"{distance}s"
    elif distance < 3600:
        text = f"{distance // 60}m{distance % 60:02}s"
    else:
        text = f"{distance // 3600}h{distance % 3600 // 60:02}m"
    return f"in {text}" if seconds >= 0 else f"{text} ago"
