"""`spire-bridge credential gcp`: a JWT-SVID for Google's SDKs, or an access token for it."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import suppress

from spire_bridge.cli.arguments import add_endpoint
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_arguments import (
    add_cache,
    add_identity,
    add_outgoing,
    cache_key,
    kept_answer,
    outgoing_of,
    token_of,
)
from spire_bridge.cli.google_arguments import (
    account_of,
    add_google,
    add_service_account,
    endpoints_of,
)
from spire_bridge.cli.variables import needed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.cache import Kept
    from spire_bridge.credentials.google.executable import SdkRequest
    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

_RENEW_SECONDS = 60


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "gcp",
        run=run,
        summary="be the executable of a credential configuration of Google's",
        description="""
        Print a JWT-SVID in the form that Google's SDKs read from an executable, as credential
        gcp-config has them run it. The audience is the provider that the SDK names, by its
        https URL, which a provider takes unless it has a list of allowed audiences.

        An SDK must be told GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1. Run by one, this
        command ends with 0, and says on standard output alone what went wrong: that is where
        SDKs look.

        --access-token prints an access token instead: of the workload itself, or of the
        service account that it impersonates. It is kept on disk for this user.
        """,
        examples="""
          spire-bridge credential gcp-config PROVIDER --output-file gcp.json
          spire-bridge credential gcp --access-token --provider PROVIDER \\
            --service-account web@project.iam.gserviceaccount.com
        """,
    )
    parser.add_argument(
        "--audience", metavar="A", help="whom the JWT-SVID is for (default: the provider)"
    )
    add_identity(parser)
    add_endpoint(parser, asked="the agent or Google")
    access = parser.add_argument_group("to print an access token")
    access.add_argument("--access-token", action="store_true", help="print one, and nothing else")
    access.add_argument(
        "--provider",
        metavar="P",
        help="projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME",
    )
    add_service_account(access)
    access.add_argument(
        "--scope",
        metavar="S",
        action="append",
        help="what it is for; repeat it (default: https://www.googleapis.com/auth/cloud-platform)",
    )
    add_google(access)
    add_cache(parser)
    add_outgoing(parser)


def run(arguments: argparse.Namespace) -> int:
    print(_access_token(arguments) if arguments.access_token else response(arguments))
    return 0


def response(arguments: argparse.Namespace) -> str:
    """What an SDK reads of its executable; the output file has it, too, for the next time."""
    from spire_bridge.credentials.google.executable import AUDIENCE_VARIABLE, SdkRequest, success

    request = SdkRequest.of(os.environ)
    arguments.audience = needed(
        arguments.audience or request.audience, "--audience", AUDIENCE_VARIABLE
    )
    svid = token_of(arguments)
    if request.output_file is not None:
        _keep(svid, request)
    return success(svid, request)


def _keep(svid: UnverifiedJwtSvid, request: SdkRequest) -> None:
    from spire_bridge.credentials.google.executable import kept
    from spire_bridge.files.atomic import link_target, write_atomically
    from spire_bridge.files.errors import FileFailure

    assert request.output_file is not None
    with suppress(FileFailure):  # a full disk: the SDK has its token, and asks again the next time
        content = kept(svid, request, now=time.time())
        write_atomically(link_target(request.output_file), content.encode(), mode=0o600)


def _access_token(arguments: argparse.Namespace) -> str:
    provider = needed(arguments.provider, "--provider")
    key = cache_key(
        arguments,
        api="Google",
        provider=provider,
        service_account=arguments.service_account or "",
        lifetime=str(arguments.service_account_token_lifetime_seconds),
        scopes=" ".join(arguments.scope or ()),
        universe=arguments.universe_domain,
        sts=arguments.sts_endpoint or "",
        iam=arguments.iam_endpoint or "",
    )
    return kept_answer(
        arguments, key, lambda: _obtain(arguments), renew_seconds=_RENEW_SECONDS
    ).content


def _obtain(arguments: argparse.Namespace) -> Kept:
    from spire_bridge.credentials.cache import Kept
    from spire_bridge.credentials.google.exchange import DEFAULT_SCOPE, AccessRequest
    from spire_bridge.credentials.google.provider import Provider
    from spire_bridge.credentials.retrying import Retrying

    provider = Provider.parse(arguments.provider)
    scopes = tuple(arguments.scope or (DEFAULT_SCOPE,))
    wanted = AccessRequest(provider, endpoints_of(arguments), scopes, account_of(arguments))
    arguments.audience = arguments.audience or provider.token_audience
    svid, send = token_of(arguments), outgoing_of(arguments)
    token = Retrying(arguments.timeout)(lambda: wanted(svid, send, now=time.time()))
    return Kept(token.value, token.expires_at)
