"""`spire-bridge credential aws`: a JWT-SVID as temporary credentials, for `credential_process`."""

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
    outgoing_of,
    token_of,
)
from spire_bridge.cli.credential_aws_session import add_session, print_session
from spire_bridge.cli.variables import needed, setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.credentials.aws.temporary import TemporaryCredentials

_MAX_POLICY_BYTES = 64 * 1024
_ROLE = "arn:aws:iam::123456789012:role/web"


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "aws",
        run=run,
        summary="credentials of an AWS role, for the workload's JWT-SVID",
        is_brief=True,
        description="""
        Show a JWT-SVID to AWS STS (AssumeRoleWithWebIdentity) and print the credentials of
        the session in the form that AWS' command line and SDKs read from credential_process.
        They are kept on disk for this user, so that a burst of calls makes one STS call, and
        renewed before an SDK would ask for it. Two workloads that run as one user and name no
        --spiffe-id need a --cache each.
        """,
        examples=f"""
          spire-bridge credential aws --role-arn {_ROLE}

          # ~/.aws/config
          [profile web]
          credential_process = spire-bridge credential aws --role-arn {_ROLE}
        """,
    )
    name = "$AWS_ROLE_SESSION_NAME, then made from the SPIFFE ID"
    add_session(parser, region="$AWS_REGION, $AWS_DEFAULT_REGION", session_name=name)
    parser.add_argument("--policy", metavar="FILE", help="narrow the session by this policy, JSON")
    add_audience(parser, default="sts.amazonaws.com")
    add_identity(parser)
    add_cache(parser)
    add_outgoing(parser)
    add_endpoint(parser, asked="the agent or STS")


def run(arguments: argparse.Namespace) -> int:
    role_arn = needed(arguments.role_arn, "--role-arn", "AWS_ROLE_ARN")
    name = setting(arguments.session_name, "AWS_ROLE_SESSION_NAME")
    region = setting(arguments.region, "AWS_REGION", "AWS_DEFAULT_REGION")
    endpoint = setting(arguments.endpoint, "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL")
    policy = _policy(arguments.policy)

    def obtain() -> TemporaryCredentials:
        from spire_bridge.credentials.aws.assume_role import RoleRequest, assume_role
        from spire_bridge.credentials.aws.endpoints import sts_endpoint
        from spire_bridge.credentials.retrying import Retrying

        where = endpoint or sts_endpoint(role_arn, region)
        wanted = RoleRequest(where, role_arn, name, arguments.duration, policy)
        svid, send = token_of(arguments), outgoing_of(arguments)
        return Retrying(arguments.timeout)(lambda: assume_role(wanted, svid, send))

    key = cache_key(
        arguments,
        api="AssumeRoleWithWebIdentity",
        role_arn=role_arn,
        session_name=name,
        duration=str(arguments.duration),
        policy=policy,
        region=region,
        endpoint=endpoint,
    )
    return print_session(arguments, key, obtain)


def _policy(file: str | None) -> str:
    if file is None:
        return ""
    from spire_bridge.files.reading import read_limited

    return read_limited(file, max_bytes=_MAX_POLICY_BYTES).decode(errors="replace")
