"""`spire-bridge fetch bundles`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from spire_bridge.cli.arguments import add_endpoint, add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import counted, print_json, print_note

if TYPE_CHECKING:
    from spire_bridge.spiffe.id import TrustDomain
    from spire_bridge.spiffe.jwt_bundle import JwtBundle
    from spire_bridge.spiffe.x509_bundle import X509Bundle
    from spire_bridge.workload.messages import BundleSet


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "bundles",
        run=run,
        summary="fetch the bundles to verify SVIDs with",
        examples="""
          spire-bridge fetch bundles
          spire-bridge fetch bundles --output json > bundles.json
        """,
    )
    add_endpoint(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.workload.one_shot import fetch_bundles

    jwt, x509 = fetch_bundles(address=arguments.socket, timeout=arguments.timeout)
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
    keys, x509_count = (
        counted(len(authorities), "JWT key"),
        counted(certificates, "X.509 authority"),
    )
    print(f"{trust_domain}: {keys}, {x509_count}")
    for authority in authorities:
        print(f"  {authority.key_id}  {authority.key.algorithm}")
