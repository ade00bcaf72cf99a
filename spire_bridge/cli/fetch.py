"""`spire-bridge fetch`: one call of the Workload API."""

from __future__ import annotations

from spire_bridge.cli.command import Subparsers, add_group

_COMMANDS = {"jwt": "fetch_jwt", "x509": "fetch_x509", "bundles": "fetch_bundles"}


def add_parser(subparsers: Subparsers) -> None:
    add_group(subparsers, "fetch", _COMMANDS, summary="fetch SVIDs and bundles from an agent, once")
