"""`spire-bridge serve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from spire_bridge.cli.command import Subparsers, add_command


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "serve",
        run=run,
        summary="serve the trust domain as one OIDC issuer",
        description="""
        Serve the trust domain as one OIDC issuer: discovery document and JWK set, kept
        current by the agents' streams. SIGHUP reads the configuration again; SIGTERM and
        SIGINT end the service.
        """,
        examples="""
          spire-bridge serve --config issuer.yaml
          curl http://127.0.0.1:8081/readyz
        """,
    )
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="the configuration, YAML"
    )


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.serve import serve

    serve(arguments.config)
    return 0
