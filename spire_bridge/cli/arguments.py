"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import re
import time

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+"
_MAX_LIFETIME_SECONDS = 366 * 86_400
_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h)"


def duration(text: str) -> float:
    """Seconds from `5`, `5s`, `1m30s` or `500ms`."""
    seconds = _seconds(text)
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 5s or 1m30s")
    return seconds


def lifetime(text: str) -> int:
    """Whole seconds from `3600`, `90m` or `12h`."""
    seconds = _seconds(text)
    if not 1 <= seconds <= _MAX_LIFETIME_SECONDS or seconds % 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a lifetime such as 3600, 90m or 12h")
    return int(seconds)


def _seconds(text: str) -> float:
    """0 for what is no length of time."""
    try:
        return _sum_of_parts(text) if re.fullmatch(_DURATION, text) else float(text)
    except ValueError:
        return 0.0


def _sum_of_parts(text: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))


def moment(text: str) -> float:
    """Seconds since the epoch from `2026-11-30T12:00:00Z` (RFC 3339), or from now: `+2h`."""
    if text.startswith("+") and re.fullmatch(_DURATION, text[1:]):
        return time.time() + _sum_of_parts(text)
    from datetime import datetime

    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.timestamp()
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r} is no time such as 2026-11-30T12:00:00Z, or +2h for two hours from now"
    )


def port(text: str) -> int:
    """A TCP port; 0 has the system choose one."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def add_endpoint(parser: argparse.ArgumentParser, *, asked: str = "the agent") -> None:
    """Where the Workload API is, and how long `asked` may take."""
    parser.add_argument(
        "--socket",
        metavar="ADDRESS",
        help="Workload API: unix:///path or tcp://ip:port (default: $SPIFFE_ENDPOINT_SOCKET)",
    )
    parser.add_argument(
        "--timeout",
        metavar="T",
        type=duration,
        default=10.0,
        help=f"how long {asked} may take to answer, such as 5s (default: 10s)",
    )


def add_output(parser: argparse.ArgumentParser, *others: str) -> None:
    """How results are printed; `others` are formats besides those that every command has."""
    also = "".join(f", {other}" for other in others)
    parser.add_argument(
        "--output",
        choices=("text", "json", *others),
        default="text",
        help=f"what to print: text for people, json for programs{also} (default: text)",
    )
