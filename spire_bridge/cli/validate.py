"""`spire-bridge validate`: is this JWT-SVID good for this audience?"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spire_bridge.cli.arguments import add_endpoint, add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import from_now, print_json

if TYPE_CHECKING:
    from spire_bridge.spiffe.id import SpiffeId

_MAX_TOKEN_FILE_BYTES = 64 * 1024


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "validate",
        run=run,
        summary="check a JWT-SVID through the agent, or against a bundle",
        description="""
        Check a JWT-SVID: signature, audience and time. The agent does it (ValidateJWTSVID),
        or, with --bundle, this program against a file with the trust domain's keys: a SPIFFE
        bundle document or a JWK set. The token is read from a file or from standard input
        and never printed.
        """,
        examples="""
          spire-bridge fetch jwt --audience vault | spire-bridge validate --audience vault
          spire-bridge validate --audience vault --token token.jwt --bundle keys.json \\
              --trust-domain example.org
        """,
    )
    parser.add_argument("--audience", metavar="A", required=True, help="who is asking")
    parser.add_argument(
        "--token", metavar="FILE", default="-", help="the token's file, - for standard input"
    )
    parser.add_argument("--bundle", metavar="FILE", type=Path, help="verify against these keys")
    parser.add_argument(
        "--trust-domain", metavar="NAME", help="whose keys --bundle has (default: the token's)"
    )
    add_endpoint(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    token = _read_token(arguments.token)
    if arguments.bundle is not None:
        spiffe_id, claims = _against_bundle(token, arguments)
    else:
        spiffe_id, claims = asyncio.run(_through_agent(token, arguments))
    if arguments.output == "json":
        print_json({"valid": True, "spiffe_id": str(spiffe_id), "claims": dict(claims)})
    else:
        expires_at = claims.get("exp")
        ends = f", expires {from_now(float(expires_at))}" if expires_at is not None else ""
        print(f"valid: {spiffe_id} for audience {arguments.audience}{ends}")
    return 0


async def _through_agent(
    token: str, arguments: argparse.Namespace
) -> tuple[SpiffeId, Mapping[str, Any]]:
    from spire_bridge.workload.client import WorkloadClient

    async with WorkloadClient(arguments.socket, timeout=arguments.timeout) as client:
        verdict = await client.validate_jwt_svid(token, arguments.audience)
    return verdict.spiffe_id, verdict.claims


def _against_bundle(
    token: str, arguments: argparse.Namespace
) -> tuple[SpiffeId, Mapping[str, Any]]:
    from spire_bridge.files.reading import read_limited
    from spire_bridge.jose.key_set import MAX_KEY_SET_BYTES
    from spire_bridge.spiffe.id import TrustDomain
    from spire_bridge.spiffe.jwt_bundle import JwtBundle
    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid, verify_jwt_svid

    trust_domain = (
        TrustDomain.parse(arguments.trust_domain)
        if arguments.trust_domain
        else UnverifiedJwtSvid.parse(token).spiffe_id.trust_domain
    )
    keys = read_limited(arguments.bundle, max_bytes=MAX_KEY_SET_BYTES)
    bundles = {trust_domain: JwtBundle.from_jwk_set(trust_domain, keys)}
    svid = verify_jwt_svid(token, bundles, arguments.audience, time.time())
    return svid.spiffe_id, svid.claims


def _read_token(name: str) -> str:
    from spire_bridge.files.errors import FileFailure
    from spire_bridge.files.reading import read_input

    data = read_input(name, max_bytes=_MAX_TOKEN_FILE_BYTES)
    try:
        return data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise FileFailure(f"{'standard input' if name == '-' else name} is no token") from None
