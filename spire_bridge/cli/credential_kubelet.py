"""`spire-bridge credential kubelet`: an SVID as the password that the kubelet pulls images with."""

from __future__ import annotations

import argparse
import sys
import time

from spire_bridge.cli.arguments import add_endpoint
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_arguments import add_identity, token_of


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "kubelet",
        run=run,
        summary="be an image credential provider of the kubelet",
        is_brief=True,
        description="""
        Read a CredentialProviderRequest from standard input, and print a response whose
        password is a JWT-SVID, for registries that take OIDC tokens. The kubelet runs this as
        its --image-credential-provider-config says, for the images of its matchImages alone;
        the identity is the node's.
        """,
        examples="""
          spire-bridge credential kubelet --username oidc < request.json
          spire-bridge credential kubelet --username oidc --audience registry \\
            --match '*.registry.example' < request.json
        """,
    )
    add_registry_login(parser)
    parser.add_argument(
        "--match",
        metavar="GLOB",
        action="append",
        default=[],
        help="images that the answer is good for; repeat it (default: the image's registry)",
    )
    add_identity(parser)
    add_endpoint(parser)


def add_registry_login(parser: argparse.ArgumentParser) -> None:
    """How the token is shown to a registry."""
    parser.add_argument(
        "--username",
        metavar="U",
        required=True,
        help="the user name that the registry wants beside a token",
    )
    parser.add_argument(
        "--audience", metavar="A", help="whom the token is for (default: the registry's host)"
    )


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.credentials.kubernetes import credential_provider
    from spire_bridge.files.reading import STANDARD_INPUT, read_input

    access = credential_provider.RegistryAccess(arguments.username, arguments.match)
    given = read_input(STANDARD_INPUT, max_bytes=credential_provider.MAX_REQUEST_BYTES)
    request = credential_provider.ProviderRequest.parse(given)
    arguments.audience = arguments.audience or request.registry
    response = access(request, token_of(arguments), now=time.time())
    sys.stdout.write(response.decode())
    return 0
