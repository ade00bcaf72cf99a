"""`spire-bridge trust`: what the clouds would say, before they are asked."""

from __future__ import annotations

from spire_bridge.cli.command import Subparsers, add_group

_COMMANDS = {
    "evaluate": "trust_evaluate",
    "generate": "trust_generate",
    "lint": "trust_lint",
}


def add_parser(subparsers: Subparsers) -> None:
    add_group(
        subparsers,
        "trust",
        _COMMANDS,
        summary="ask what the clouds would say, before they are asked",
    )
