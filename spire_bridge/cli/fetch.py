"""`spire-bridge fetch`: one call of the Workload API."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from spire_bridge.cli.arguments import add_endpoint, add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import from_now, print_json, print_note

if TYPE_CHECKING:
    from spire_bridge.spiffe.id import TrustDomain
    from spire_bridge.spiffe.jwt_bundle import JwtBundle
    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
    from spire_bridge.spiffe.x509_bundle import X509Bundle
    from spire_bridge.workload.client import WorkloadClient
    from spire_bridge.workload.messages import BundleSet, X509Context

T = TypeVar("T")


def add_parser(subparsers: Subparsers) -> None:
    group = add_command(subparsers, "fetch", summary="fetch SVIDs and bundles from an agent, once")
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_jwt(commands)
    _add_x509(commands)
    _add_bundles(commands)


def _add_jwt(commands: Subparsers) -> None:
    parser = add_command(
        commands,
        "jwt",
        run=run_jwt,
        summary="fetch JWT-SVIDs",
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


def run_jwt(arguments: argparse.Namespace) -> int:
    svids = _with_client(arguments, lambda client: _jwt_svids(client, arguments))
    if arguments.output == "json":
        print_json({"svids": [_jwt_json(svid) for svid in svids]})
        return 0
    for svid in svids:
        audience, ends = ", ".join(svid.audience), from_now(svid.expires_at)
        hint = f"  hint {svid.hint}" if svid.hint else ""
        print_note(f"{svid.spiffe_id}  audience {audience}  expires {ends}{hint}")
        print(svid.token)
    return 0


async def _jwt_svids(
    client: WorkloadClient, arguments: argparse.Namespace
) -> tuple[UnverifiedJwtSvid, ...]:
    svids = await client.fetch_jwt_svids(arguments.audience, spiffe_id=arguments.spiffe_id)
    if arguments.hint is None:
        return svids
    from spire_bridge.workload.errors import HintNotFound

    for svid in svids:
        if svid.hint == arguments.hint:
            return (svid,)
    offered = ", ".join(svid.hint for svid in svids if svid.hint) or "none"
    raise HintNotFound(
        f"no identity of this workload has the hint {arguments.hint!r}",
        hint=f"hints that the agent sent: {offered}",
    )


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


def _add_x509(commands: Subparsers) -> None:
    parser = add_command(
        commands,
        "x509",
        run=run_x509,
        summary="fetch X.509-SVIDs and their bundles",
        description="""
        Fetch the workload's X.509-SVIDs and bundles. Private keys are never printed; --write
        puts them in files that only their owner can read: svid.N.pem, svid.N.key,
        bundle.N.pem and federated_bundle.<trust domain>.pem.
        """,
        examples="""
          spire-bridge fetch x509
          spire-bridge fetch x509 --write /run/my-service/tls
        """,
    )
    parser.add_argument("--write", metavar="DIR", type=Path, help="write certificates and keys")
    add_endpoint(parser)
    add_output(parser)


def run_x509(arguments: argparse.Namespace) -> int:
    context = _with_client(arguments, lambda client: client.fetch_x509_context())
    if arguments.write is not None:
        from spire_bridge.service.x509_files import write_x509_context

        for path in write_x509_context(context, arguments.write):
            print_note(f"wrote {path}")
    if arguments.output == "json":
        print_json(_x509_json(context))
        return 0
    for svid in context.svids:
        hint = f"  hint {svid.hint}" if svid.hint else ""
        print(f"{svid.spiffe_id}  expires {from_now(svid.expires_at.timestamp())}{hint}")
    for trust_domain, bundle in context.bundles.items():
        print(f"bundle of {trust_domain}: {_count(len(bundle.authorities), 'authority')}")
    return 0


def _x509_json(context: X509Context) -> dict[str, Any]:
    return {
        "svids": [
            {
                "spiffe_id": str(svid.spiffe_id),
                "hint": svid.hint,
                "expires_at": int(svid.expires_at.timestamp()),
                "certificates": svid.chain_pem().decode(),
            }
            for svid in context.svids
        ],
        "bundles": {str(td): bundle.pem().decode() for td, bundle in context.bundles.items()},
    }


def _add_bundles(commands: Subparsers) -> None:
    parser = add_command(
        commands,
        "bundles",
        run=run_bundles,
        summary="fetch the bundles to verify SVIDs with",
        examples="""
          spire-bridge fetch bundles
          spire-bridge fetch bundles --output json > bundles.json
        """,
    )
    add_endpoint(parser)
    add_output(parser)


def run_bundles(arguments: argparse.Namespace) -> int:
    jwt, x509 = _with_client(arguments, _bundles)
    refused = {**x509.refused, **jwt.refused}
    trust_domains = sorted({*jwt, *x509})
    if arguments.output == "json":
        print_json({str(td): _bundle_json(td, jwt, x509) for td in trust_domains})
    else:
        for trust_domain in trust_domains:
            _print_bundle(trust_domain, jwt, x509)
    for error in refused.values():
        print_note(f"error[{error.code}]: {error.message}")
    return 1 if refused else 0


async def _bundles(
    client: WorkloadClient,
) -> tuple[BundleSet[JwtBundle], BundleSet[X509Bundle]]:
    return await client.fetch_jwt_bundles(), await client.fetch_x509_bundles()


def _bundle_json(
    trust_domain: TrustDomain, jwt: BundleSet[JwtBundle], x509: BundleSet[X509Bundle]
) -> dict[str, Any]:
    from spire_bridge.credentials.jwt_bundles import jwk_set

    keys = jwk_set(jwt[trust_domain]) if trust_domain in jwt else {"keys": []}
    pem = x509[trust_domain].pem().decode() if trust_domain in x509 else ""
    return {"jwt_keys": keys, "x509_authorities": pem}


def _print_bundle(
    trust_domain: TrustDomain, jwt: BundleSet[JwtBundle], x509: BundleSet[X509Bundle]
) -> None:
    certificates = len(x509[trust_domain].authorities) if trust_domain in x509 else 0
    authorities = jwt[trust_domain].authorities.values() if trust_domain in jwt else ()
    keys, x509_count = _count(len(authorities), "JWT key"), _count(certificates, "X.509 authority")
    print(f"{trust_domain}: {keys}, {x509_count}")
    for authority in authorities:
        print(f"  {authority.key_id}  {authority.key.algorithm}")


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and not noun.endswith("key") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _with_client(arguments: argparse.Namespace, use: Callable[[WorkloadClient], Awaitable[T]]) -> T:
    from spire_bridge.workload.client import WorkloadClient

    async def call() -> T:
        async with WorkloadClient(arguments.socket, timeout=arguments.timeout) as client:
            return await use(client)

    return asyncio.run(call())
