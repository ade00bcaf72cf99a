"""`spire-bridge completion`."""

from __future__ import annotations

import argparse

from spire_bridge.cli.command import Subparsers, add_command


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "completion",
        run=run,
        summary="print a completion script for a shell",
        examples="""
          source <(spire-bridge completion bash)
          spire-bridge completion zsh > ~/.zfunc/_spire-bridge
        """,
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(arguments: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(arguments.whole(), arguments.shell))
    return 0
