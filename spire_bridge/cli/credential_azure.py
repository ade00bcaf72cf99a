"""`spire-bridge credential azure`: a JWT-SVID as a token of Entra, as az prints it."""

from __future__ import annotations

import argparse

from spire_bridge.cli.arguments import add_endpoint
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_arguments import (
    add_audience,
    add_cache,
    add_identity,
    add_outgoing,
    cache_key,
    kept_answer,
    outgoing_of,
    token_of,
)
from spire_bridge.cli.variables import needed, setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.cache import Kept

# SDKs ask again once less than five minutes are left: what they get then is to be new.
_RENEW_SECONDS = 6 * 60
_DEFAULT_SCOPE = "https://management.azure.com/.default"


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "azure",
        run=run,
        summary="a token of Microsoft Entra, for the workload's JWT-SVID",
        description="""
        Show a JWT-SVID to Microsoft Entra as the assertion of an application that has a
        federated credential for it, and print the token in the form of az account
        get-access-token. It is kept on disk for this user until six minutes before its end.
        Where a program runs az itself, the script below is an az for it.
        """,
        examples="""
          spire-bridge credential azure --tenant T --client-id C --resource https://vault.azure.net

          #!/bin/sh
          # az, for a program that runs: az account get-access-token --resource R ...
          shift 2; exec spire-bridge credential azure "$@"
        """,
    )
    add_application(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--scope",
        metavar="S",
        default=_DEFAULT_SCOPE,
        help=f"what the token is for (default: {_DEFAULT_SCOPE})",
    )
    what.add_argument("--resource", metavar="R", help="the same without /.default at its end")
    parser.add_argument(
        "--subscription",
        metavar="ID",
        help="the subscription to print beside it (default: $AZURE_SUBSCRIPTION_ID, the tenant)",
    )
    parser.add_argument(
        "--output",
        "-o",
        dest="form",
        choices=("json",),
        default="json",
        help="as az has it: json is all there is",
    )
    add_audience(parser, default="api://AzureADTokenExchange")
    add_identity(parser)
    add_cache(parser)
    add_outgoing(parser)
    add_endpoint(parser, asked="the agent or Entra")


def add_application(parser: argparse.ArgumentParser) -> None:
    """Whose token is wanted."""
    parser.add_argument(
        "--tenant",
        "--tenant-id",
        metavar="T",
        help="the tenant, by ID or domain (default: $AZURE_TENANT_ID)",
    )
    parser.add_argument(
        "--client-id", metavar="ID", help="the application (default: $AZURE_CLIENT_ID)"
    )
    parser.add_argument(
        "--authority-host",
        metavar="URL",
        help="the cloud's Entra (default: $AZURE_AUTHORITY_HOST, https://login.microsoftonline.com)",
    )


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.credentials.azure.az_output import az_json, scope_of

    tenant = needed(arguments.tenant, "--tenant", "AZURE_TENANT_ID")
    client_id = needed(arguments.client_id, "--client-id", "AZURE_CLIENT_ID")
    authority = setting(arguments.authority_host, "AZURE_AUTHORITY_HOST")
    scope = scope_of(arguments.resource) if arguments.resource else arguments.scope

    def obtain() -> Kept:
        return _obtain(arguments, tenant, client_id, authority, scope)

    key = cache_key(
        arguments,
        api="Entra",
        tenant=tenant,
        client_id=client_id,
        authority=authority,
        scope=scope,
    )
    kept = kept_answer(arguments, key, obtain, renew_seconds=_RENEW_SECONDS)
    subscription = setting(arguments.subscription, "AZURE_SUBSCRIPTION_ID")
    print(az_json(kept.content, kept.expires_at, tenant, subscription))
    return 0


def _obtain(
    arguments: argparse.Namespace, tenant: str, client_id: str, authority: str, scope: str
) -> Kept:
    import time

    from spire_bridge.credentials.azure.application import DEFAULT_AUTHORITY, Application
    from spire_bridge.credentials.azure.token import TokenRequest
    from spire_bridge.credentials.cache import Kept
    from spire_bridge.credentials.retrying import Retrying

    wanted = TokenRequest(Application(tenant, client_id, authority or DEFAULT_AUTHORITY), scope)
    svid, send = token_of(arguments), outgoing_of(arguments)
    token = Retrying(arguments.timeout)(lambda: wanted(svid, send, now=time.time()))
    return Kept(token.value, token.expires_at)
