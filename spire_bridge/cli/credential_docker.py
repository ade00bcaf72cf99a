"""`spire-bridge credential docker`: a credential helper of Docker's, for pulls and pushes."""

from __future__ import annotations

import argparse
import sys

from spire_bridge.cli.arguments import add_endpoint
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_arguments import add_identity, token_of
from spire_bridge.cli.credential_kubelet import add_registry_login
from spire_bridge.errors import EXIT_FAILURE, BridgeError

_MAX_BYTES = 64 * 1024


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "docker",
        run=run,
        summary="be a credential helper of Docker's",
        is_brief=True,
        description="""
        Speak Docker's credential helper protocol: get reads a registry from standard input
        and prints a login whose secret is a JWT-SVID, for registries that take OIDC tokens.
        store, erase and list have nothing to do: what the agent issues is not kept. Docker
        looks for a program called docker-credential-NAME, which is the script below, and asks
        it where credHelpers in ~/.docker/config.json says {"registry.example": "NAME"}.

        As the protocol has it, errors go to standard output, and the status is then 1.
        """,
        examples="""
          #!/bin/sh
          exec spire-bridge credential docker --username oidc "$@"
        """,
    )
    parser.add_argument(
        "operation", choices=("get", "store", "erase", "list"), help="what Docker asks for"
    )
    add_registry_login(parser)
    parser.add_argument(
        "--registry",
        metavar="HOST",
        action="append",
        default=[],
        help="answer for this one alone; repeat it (default: whichever Docker asks for)",
    )
    add_identity(parser)
    add_endpoint(parser)


def run(arguments: argparse.Namespace) -> int:
    try:
        return _run(arguments)
    except BridgeError as error:  # Docker shows what is on standard output
        print(error.message)
        return EXIT_FAILURE


def _run(arguments: argparse.Namespace) -> int:
    from spire_bridge.credentials.docker import DockerLogin
    from spire_bridge.files.reading import STANDARD_INPUT, read_input

    login = DockerLogin(arguments.username, arguments.registry)
    if arguments.operation == "list":
        print("{}")
        return 0
    given = read_input(STANDARD_INPUT, max_bytes=_MAX_BYTES).decode(errors="replace").strip()
    if arguments.operation == "store":
        raise BridgeError("logins come from the workload's SVID: spire-bridge stores none")
    if arguments.operation == "get":
        registry = login.registry(given)
        arguments.audience = arguments.audience or registry
        sys.stdout.write(login(given, token_of(arguments)).decode())
    return 0
