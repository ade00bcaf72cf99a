"""`spire-bridge credential`: an SVID as the credential that an unmodified program asks for."""

from __future__ import annotations

from typing import Any

from spire_bridge.cli.command import Subparsers, add_command

# One module for each verifier, with an `add_parser(subparsers)`.
_COMMANDS: tuple[Any, ...] = ()


def add_parser(subparsers: Subparsers) -> None:
    group = add_command(
        subparsers,
        "credential",
        summary="print a credential for a cloud's tools, made of the workload's SVID",
    )
    commands = group.add_subparsers(title="credentials", metavar="CREDENTIAL", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
