"""`spire-bridge serve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.publish.odp_switches import SWITCHES


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "serve",
        run=run,
        summary="serve the trust domain as one OIDC issuer",
        description="""
        Serve the trust domain as one OIDC issuer: discovery document and JWK set, kept
        current by the agents' streams. With --config, SIGHUP reads the configuration again;
        SIGTERM and SIGINT end the service. With --odp-config it takes the place of SPIRE's
        oidc-discovery-provider, from that program's own file.
        """,
        examples="""
          spire-bridge serve --config issuer.yaml
          curl http://127.0.0.1:8081/readyz
          spire-bridge serve --odp-config oidc-discovery-provider.conf
          spire-bridge serve --odp-config odp.conf --as-reference cache-lifetime
        """,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--config", type=Path, metavar="FILE", help="the configuration, YAML")
    which.add_argument(
        "--odp-config",
        type=Path,
        metavar="FILE",
        help="a configuration of SPIRE's oidc-discovery-provider, HCL or JSON",
    )
    parser.add_argument(
        "-expandEnv",
        "--expand-env",
        action="store_true",
        help="replace $NAME and ${NAME} in the file of --odp-config",
    )
    parser.add_argument(
        "--as-reference",
        action="append",
        default=[],
        choices=SWITCHES,
        metavar="DIFFERENCE",
        help="with --odp-config, undo a deliberate difference from the reference:"
        f" {', '.join(SWITCHES)}; may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.odp_config is not None:
        from spire_bridge.service.drop_in.discovery_provider.serve import serve_odp

        serve_odp(
            arguments.odp_config,
            expand_env=arguments.expand_env,
            as_reference=frozenset(arguments.as_reference),
        )
    else:
        from spire_bridge.service.serve import serve

        serve(arguments.config)
    return 0
