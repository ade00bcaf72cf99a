"""`spire-bridge fetch x509`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spire_bridge.cli.arguments import add_endpoint, add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import counted, from_now, print_json, print_note

if TYPE_CHECKING:
    from spire_bridge.workload.messages import X509Context


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "x509",
        run=run,
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


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.workload.one_shot import fetch_x509_context

    context = fetch_x509_context(address=arguments.socket, timeout=arguments.timeout)
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
        print(f"bundle of {trust_domain}: {counted(len(bundle.authorities), 'authority')}")
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
