"""`spire-bridge credential azure-environment`: how Azure's SDKs find a token file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_azure import add_application
from spire_bridge.cli.variables import needed, setting


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "azure-environment",
        run=run,
        summary="variables for Azure's SDKs, which read the token from a file",
        description="""
        Print the variables by which azure-identity's WorkloadIdentityCredential, and so its
        DefaultAzureCredential, finds an application and the token file that spire-bridge
        helper keeps fresh. A shell, systemd (EnvironmentFile=) and docker (--env-file) read
        the lines alike.
        """,
        examples="""
          spire-bridge credential azure-environment --tenant T --client-id C \\
            --token-file /run/web/azure-token > /etc/web/azure.env
        """,
    )
    add_application(parser)
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        required=True,
        help="where the JWT-SVID for api://AzureADTokenExchange is kept",
    )


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.credentials.azure.application import (
        DEFAULT_AUTHORITY,
        Application,
        environment_file,
    )

    application = Application(
        needed(arguments.tenant, "--tenant", "AZURE_TENANT_ID"),
        needed(arguments.client_id, "--client-id", "AZURE_CLIENT_ID"),
        setting(arguments.authority_host, "AZURE_AUTHORITY_HOST") or DEFAULT_AUTHORITY,
    )
    sys.stdout.write(environment_file(application, arguments.token_file).decode("ascii"))
    return 0
