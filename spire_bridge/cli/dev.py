"""`spire-bridge dev`: the first run."""

from __future__ import annotations

import argparse
import asyncio

from spire_bridge.cli.arguments import port
from spire_bridge.cli.command import Subparsers, add_command


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "dev",
        run=run,
        summary="run an embedded trust domain and its issuer, and walk through them",
        description="""
        Start an embedded trust domain with two clusters and the issuer that speaks for it,
        fetch a token from each cluster, have an independent library verify both through
        discovery, rotate the key, and keep serving until Ctrl-C. For development only: it
        listens on loopback and unix sockets. With --clouds, models of the token endpoints of
        AWS, Google Cloud and Entra are beside, made from their documentation, and the
        environment is printed that points unmodified SDKs at them.
        """,
        examples="""
          spire-bridge dev
          spire-bridge dev --clouds
          spire-bridge dev --clouds --once
        """,
    )
    parser.add_argument(
        "--clouds", action="store_true", help="model clouds beside; the issuer speaks https then"
    )
    parser.add_argument("--once", action="store_true", help="end after the walk-through")
    parser.add_argument(
        "--port",
        type=port,
        metavar="N",
        help="the issuer's port on 127.0.0.1 (default: 8080, or a free one if that is taken)",
    )


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.dev.develop import develop

    asyncio.run(develop(once=arguments.once, port=arguments.port, clouds=arguments.clouds))
    return 0
