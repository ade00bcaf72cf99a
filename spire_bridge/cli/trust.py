"""`spire-bridge trust`: what verifiers make of tokens, and of what is configured at them."""

from __future__ import annotations

from spire_bridge.cli import trust_evaluate, trust_generate, trust_lint
from spire_bridge.cli.command import Subparsers, add_command


def add_parser(subparsers: Subparsers) -> None:
    group = add_command(
        subparsers, "trust", summary="ask what the clouds would say, before they are asked"
    )
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (trust_evaluate, trust_generate, trust_lint):
        command.add_parser(commands)
