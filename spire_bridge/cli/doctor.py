"""`spire-bridge doctor`: why does this workload get no credential?"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spire_bridge.cli.arguments import add_endpoint, add_output
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.credential_arguments import add_identity
from spire_bridge.cli.output import print_json, print_note
from spire_bridge.cli.trust_files import add_issuer, add_trust_files, issuer_reader, named_trust

if TYPE_CHECKING:
    from spire_bridge.service.doctor.context import Asked
    from spire_bridge.service.doctor.finding import Finding


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "doctor",
        run=run,
        summary="say where the path from the agent to a cloud is broken, and what to do",
        description="""
        Run it as the workload runs: same user, same pod, same environment. It checks, in the
        order of cause and effect, the agent's socket, the workload's entry, its SVIDs, the
        issuer and the key that signed, the clocks, the audience, the clouds' variables, the
        files that they name, and what the described clouds would say. The files are those of
        AWS_WEB_IDENTITY_TOKEN_FILE, AZURE_FEDERATED_TOKEN_FILE, KUBECONFIG,
        GOOGLE_APPLICATION_CREDENTIALS and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, and
        ~/.vault-token beside VAULT_ADDR. Each line is ok, warn, fail or skip, with what was
        seen and what to do. It changes nothing, and prints no token or key.

        Ends with 0 if nothing failed, else with the status of the first failure: 2 for a wrong
        address or option, 3 without an identity, 4 if something is out of reach, 1 otherwise.
        """,
        examples="""
          spire-bridge doctor
          spire-bridge doctor --audience sts.amazonaws.com --aws role.json
          spire-bridge doctor --hint internal --file /run/tokens/vault --output json
          spire-bridge doctor --issuer http://127.0.0.1:8080
        """,
    )
    parser.add_argument(
        "--audience",
        metavar="A",
        action="append",
        default=[],
        help="whom the token is for; repeat it for several (default: what the described trust"
        " is meant for)",
    )
    add_identity(parser)
    add_issuer(parser, default="the one that the SVID names")
    parser.add_argument(
        "--file",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a token or key file to look at, too; repeat it for several",
    )
    add_trust_files(parser, of_certificates=True)
    add_endpoint(parser, asked="the agent or the issuer")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.doctor.context import Context
    from spire_bridge.service.doctor.examination import checks
    from spire_bridge.service.doctor.walk import first_break, walk

    asked = _asked(arguments)
    findings = walk(checks(asked), Context(asked))
    as_json = arguments.output == "json"
    seen = list(findings) if as_json else _printed(findings)
    broken = first_break(seen)
    status = broken.exit_status if broken is not None else 0
    if as_json:
        print_json(
            {
                "exit_status": status,
                "first_break": broken.check if broken is not None else None,
                "checks": [_finding_json(finding) for finding in seen],
            }
        )
    elif broken is not None:
        print_note(f"broken at: {broken.check} ({broken.code})")
    return status


def _asked(arguments: argparse.Namespace) -> Asked:
    from spire_bridge.service.doctor.context import Asked
    from spire_bridge.spiffe.id import SpiffeId

    trust = named_trust(arguments).checked()
    for item in trust.open:
        print_note(f"not evaluated: {item.address}: {item.reason}")
    named = arguments.spiffe_id
    return Asked(
        address=arguments.socket,
        timeout_seconds=arguments.timeout,
        audience=tuple(dict.fromkeys(arguments.audience)),
        spiffe_id=SpiffeId.parse(named) if named is not None else None,
        hint=arguments.hint,
        issuer=arguments.issuer,
        reader=issuer_reader(arguments),
        files=tuple(arguments.file),
        descriptions=trust.descriptions,
        environment=os.environ,
    )


def _printed(findings: Iterable[Finding]) -> list[Finding]:
    """All of them, each printed as soon as it is there."""
    from spire_bridge.service.doctor.finding import Outcome

    printed = []
    for finding in findings:
        word = "skip" if finding.outcome is Outcome.NOT_REACHED else finding.outcome
        about = f"{finding.about}: " if finding.about else ""
        print(f"{word:<4}  {finding.check:<14}  {about}{finding.seen}", flush=True)
        for hint in finding.hints:
            print(f"{'':<22}hint: {hint}")
        printed.append(finding)
    return printed


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "outcome": str(finding.outcome),
        "code": finding.code,
        "about": finding.about or None,
        "seen": finding.seen,
        "hints": list(finding.hints),
    }
