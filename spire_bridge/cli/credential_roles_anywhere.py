"""`spire-bridge credential roles-anywhere`: an X.509-SVID as temporary credentials of AWS."""

from __future__ import annotations

import argparse

from spire_bridge.cli.arguments import add_endpoint
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_arguments import (
    add_cache,
    add_identity,
    add_outgoing,
    cache_key,
    outgoing_of,
    x509_svid_of,
)
from spire_bridge.cli.credential_aws_session import add_session, print_session
from spire_bridge.cli.variables import needed, setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.aws.temporary import TemporaryCredentials


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "roles-anywhere",
        run=run,
        summary="credentials of an AWS role, for the workload's X.509-SVID",
        is_brief=True,
        description="""
        Sign a request to IAM Roles Anywhere (CreateSession) with the key of an X.509-SVID and
        print the credentials of the session in the form that AWS' command line and SDKs read
        from credential_process. They are kept as those of `credential aws` are; neither the
        key nor the certificate is.
        """,
        examples="""
          spire-bridge credential roles-anywhere --role-arn arn:aws:iam::123456789012:role/web \\
            --trust-anchor-arn arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1 \\
            --profile-arn arn:aws:rolesanywhere:eu-central-1:123456789012:profile/1
        """,
    )
    parser.add_argument(
        "--trust-anchor-arn", metavar="ARN", required=True, help="the anchor that holds SPIRE's CA"
    )
    parser.add_argument(
        "--profile-arn", metavar="ARN", required=True, help="the profile that lists the role"
    )
    name = "the certificate's serial number; needs a profile that accepts names"
    add_session(parser, region="the anchor's", session_name=name)
    add_identity(parser)
    add_cache(parser)
    add_outgoing(parser)
    add_endpoint(parser, asked="the agent or Roles Anywhere")
    parser.set_defaults(audience=None)


def run(arguments: argparse.Namespace) -> int:
    role_arn = needed(arguments.role_arn, "--role-arn", "AWS_ROLE_ARN")
    endpoint = setting(arguments.endpoint, "AWS_ENDPOINT_URL_ROLESANYWHERE", "AWS_ENDPOINT_URL")
    key = cache_key(
        arguments,
        api="CreateSession",
        trust_anchor_arn=arguments.trust_anchor_arn,
        profile_arn=arguments.profile_arn,
        role_arn=role_arn,
        session_name=arguments.session_name or "",
        duration=str(arguments.duration),
        region=arguments.region or "",
        endpoint=endpoint,
    )
    return print_session(arguments, key, lambda: _obtain(arguments, role_arn, endpoint))


def _obtain(arguments: argparse.Namespace, role_arn: str, endpoint: str) -> TemporaryCredentials:
    import time

    from spire_bridge.credentials.aws.create_session import SessionRequest, create_session
    from spire_bridge.credentials.aws.endpoints import region_of, roles_anywhere_endpoint
    from spire_bridge.credentials.retrying import Retrying

    anchor = arguments.trust_anchor_arn
    region = arguments.region or region_of(anchor)
    wanted = SessionRequest(
        endpoint or roles_anywhere_endpoint(anchor, region),
        region,
        anchor,
        arguments.profile_arn,
        role_arn,
        arguments.session_name or "",
        arguments.duration,
    )
    svid, send = x509_svid_of(arguments), outgoing_of(arguments)
    return Retrying(arguments.timeout)(lambda: create_session(wanted, svid, send, time.time()))
