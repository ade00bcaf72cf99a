"""Printing: data to standard output, everything else to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    import json

    print(json.dumps(value, indent=2))


def print_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns that are as wide as their widest cell, on standard output."""
    table = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


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


def counted(number: int, noun: str) -> str:
    """A number and its noun: `1 JWT key`, `2 X.509 authorities`."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and not noun.endswith("key") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
