"""`spire-bridge status`: how a running issuer is."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from spire_bridge.cli.arguments import add_output, duration
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json, span
from spire_bridge.errors import EXIT_UNAVAILABLE

_COLUMNS = ("SOURCE", "STATE", "FOR", "KEYS", "NOTE")


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "status",
        run=run,
        summary="show how a running issuer and its sources are",
        description="""
        Ask a running issuer at its health listener: whether it is ready, how old its bundle
        is, and for each source whether it is connected, lagging or in error. Ends with 0 if
        the issuer is ready and with 4 if it is not.
        """,
        examples="""
          spire-bridge status
          spire-bridge status --health 127.0.0.1:9000 --output json
        """,
    )
    parser.add_argument(
        "--health",
        metavar="ADDRESS",
        default="127.0.0.1:8081",
        help="the issuer's health listener (default: 127.0.0.1:8081)",
    )
    parser.add_argument(
        "--timeout",
        metavar="T",
        type=duration,
        default=5.0,
        help="how long it may take to answer, such as 2s (default: 5s)",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.listen.address import ListenAddress
    from spire_bridge.service.status import fetch_status

    address = ListenAddress.parse(arguments.health)
    status = fetch_status(address, timeout_seconds=arguments.timeout)
    if arguments.output == "json":
        print_json(status)
    else:
        _print(status)
    return 0 if status["ready"] else EXIT_UNAVAILABLE


def _print(status: dict[str, Any]) -> None:
    age = status["bundle_age_seconds"]
    bundle = "no bundle" if age is None else f"bundle confirmed {span(age)} ago"
    print(f"{'ready' if status['ready'] else 'NOT READY'}: {status['keys']} keys, {bundle}")
    for reason in status["reasons"]:
        print(f"  {reason}")
    rows = [_COLUMNS, *(_row(source) for source in status["sources"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def _row(source: dict[str, Any]) -> tuple[str, ...]:
    error = source["last_error"]
    notes: Iterable[str] = [
        f"{error['code']}: {error['message']}" if error else "",
        f"lacks {_some(source['missing_keys'])}" if source["missing_keys"] else "",
        f"still tells {_some(source['stale_keys'])}" if source["stale_keys"] else "",
    ]
    state = "connected" if source["connected"] else "lost"
    return (
        source["name"],
        "lagging" if source["lagging"] else state,
        span(source["since_seconds"]),
        str(source["keys"]),
        "; ".join(note for note in notes if note),
    )


def _some(key_ids: list[str]) -> str:
    shown = ", ".join(key_ids[:3])
    return shown if len(key_ids) <= 3 else f"{shown} and {len(key_ids) - 3} more"
