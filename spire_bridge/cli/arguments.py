"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def duration(text: str) -> float:
    """Seconds from `5`, `5s`, `1m30s` or `500ms`."""
    try:
        seconds = float(text) if not _DURATION.fullmatch(text) else _sum_of_parts(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 5s or 1m30s")
    return seconds


def _sum_of_parts(text: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def port(text: str) -> int:
    """A TCP port; 0 has the system choose one."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def add_endpoint(parser: argparse.ArgumentParser) -> None:
    """Where the Workload API is, and how long it may take."""
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
        help="how long the agent may take to answer, such as 5s (default: 10s)",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """How results are printed."""
    parser.add_argument(
        "--output",
        choices=("text", "json"),
        default="text",
        help="what to print: text for people, json for programs (default: text)",
    )
