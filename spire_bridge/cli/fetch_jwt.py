"""`spire-bridge fetch jwt`."""

from __future__ import annotations

import argparse

from spire_bridge.cli.arguments import add_endpoint, add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import from_now, print_json, print_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "jwt",
        run=run,
        summary="fetch JWT-SVIDs",
        is_brief=True,
        description="""
        Fetch a JWT-SVID for each of the workload's identities, or for one of them. The
        tokens go to standard output, one a line; what they are goes to standard error.
        """,
        examples="""
          spire-bridge fetch jwt --audience sts.amazonaws.com
          spire-bridge fetch jwt --audience vault --hint internal --output json
          TOKEN=$(spire-bridge fetch jwt --audience vault --spiffe-id spiffe://example.org/web)
        """,
    )
    parser.add_argument(
        "--audience",
        metavar="A",
        action="append",
        required=True,
        help="whom the token is for; repeat it for several",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--spiffe-id", metavar="ID", help="only the token of this identity")
    which.add_argument("--hint", metavar="H", help="only the token of the identity with this hint")
    add_endpoint(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    svids = _jwt_svids(arguments)
    if arguments.output == "json":
        print_json({"svids": [_jwt_json(svid) for svid in svids]})
        return 0
    for svid in svids:
        audience, ends = ", ".join(svid.audience), from_now(svid.expires_at)
        hint = f"  hint {svid.hint}" if svid.hint else ""
        print_note(f"{svid.spiffe_id}  audience {audience}  expires {ends}{hint}")
        print(svid.token)
    return 0


def _jwt_svids(arguments: argparse.Namespace) -> tuple[UnverifiedJwtSvid, ...]:
    from spire_bridge.workload.one_shot import fetch_jwt_svid, fetch_jwt_svids

    where = {"address": arguments.socket, "timeout": arguments.timeout}
    if arguments.hint is not None:
        return (fetch_jwt_svid(arguments.audience, hint=arguments.hint, **where),)
    return fetch_jwt_svids(arguments.audience, spiffe_id=arguments.spiffe_id, **where)


def _jwt_json(svid: UnverifiedJwtSvid) -> dict[str, Any]:
    return {
        "spiffe_id": str(svid.spiffe_id),
        "hint": svid.hint,
        "audience": list(svid.audience),
        "issuer": svid.issuer,
        "issued_at": svid.issued_at,
        "expires_at": svid.expires_at,
        "token": svid.token,
    }
