"""`spire-bridge helper`: keep files fresh, run and signal the program that uses them."""

from __future__ import annotations

import argparse
from pathlib import Path

from spire_bridge.cli.arguments import duration
from spire_bridge.cli.command import Subparsers, add_command

_ONCE_SECONDS = 60.0


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "helper",
        run=run,
        summary="keep SVIDs and credentials fresh in files, and tell programs of it",
        description="""
        Keep SVIDs and credentials fresh in files, and run or signal the program that uses
        them. SIGHUP reads the configuration again; SIGTERM and SIGINT end the helper and the
        program, and leave the files as they are.
        """,
        examples="""
          spire-bridge helper --config helper.yaml
          spire-bridge helper --config helper.yaml --once --timeout 30s
        """,
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", required=True, help="the configuration"
    )
    parser.add_argument("--once", action="store_true", help="write every output once, and end")
    parser.add_argument(
        "--timeout",
        metavar="T",
        type=duration,
        default=_ONCE_SECONDS,
        help="with --once, how long an agent or an entry may take to appear (default: 1m)",
    )


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.helping.run import run_helper, write_outputs

    if arguments.once:
        write_outputs(arguments.config, arguments.timeout)
        return 0
    return run_helper(arguments.config)
