"""`spire-bridge version`."""

from __future__ import annotations

import argparse
import platform

from spire_bridge import __version__
from spire_bridge.cli.arguments import add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import print_json


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "version",
        run=run,
        summary="print the version",
        examples="""
          spire-bridge version
          spire-bridge version --output json
        """,
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    python = platform.python_version()
    if arguments.output == "json":
        print_json({"version": __version__, "python": python})
    else:
        print(f"spire-bridge {__version__} (Python {python})")
    return 0
