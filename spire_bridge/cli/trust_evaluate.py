"""`spire-bridge trust evaluate`: would this cloud take this token, and if not, why?"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from spire_bridge.cli.arguments import add_endpoint, add_output, moment
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import from_now, print_json, print_note
from spire_bridge.cli.trust_files import add_issuer, add_trust_files, issuer_reader, named_trust
from spire_bridge.errors import EXIT_FAILURE, EXIT_UNAVAILABLE

if TYPE_CHECKING:
    from spire_bridge.cloud.presented_token import PresentedToken
    from spire_bridge.service.trust_descriptions import ReadTrust
    from spire_bridge.service.trust_evaluation import Evaluation


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "evaluate",
        run=run,
        summary="say what a verifier makes of a token, clause by clause",
        description="""
        Put a token to what is configured at AWS, Google Cloud, Entra, Vault, OpenBao or
        Kubernetes, by the rules that they document, without asking them: each clause with
        what was found and what is wanted, then the identity that results, or the first
        clause that fails, the verifier's own answer, and what to do about it. The token is
        read from a file or from standard input, or taken afresh from the agent with
        --audience; it is never printed. Clauses that rest on no public document are marked.

        Ends with 0 if every verifier accepts the token and with 1 if one refuses it; with 2
        if a description can't be read; and with 4 if all refuse it for nothing but the
        issuer, which can't be reached from here at the moment.
        """,
        examples="""
          spire-bridge trust evaluate --token token.jwt --aws role.json
          spire-bridge trust evaluate --audience sts.amazonaws.com --aws role.json --at +2h
          spire-bridge trust evaluate --token token.jwt --issuer saved/ --terraform plan.json
        """,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--token", metavar="FILE", default="-", help="the token's file, - for standard input"
    )
    source.add_argument("--audience", metavar="A", help="take a fresh token for it from the agent")
    parser.add_argument(
        "--spiffe-id", metavar="ID", help="the fresh token is to be of this identity"
    )
    add_issuer(parser, default="the one that the token names")
    add_trust_files(parser)
    parser.add_argument(
        "--at",
        metavar="TIME",
        type=moment,
        help="ask about another time: 2026-11-30T12:00:00Z, or +2h from now (default: now)",
    )
    add_endpoint(parser, asked="the agent or the issuer")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.trust_evaluation import evaluate

    trust = _trust(arguments)
    reader = issuer_reader(arguments)
    token = _token(arguments)
    issuer = (
        reader.read(arguments.issuer)
        if arguments.issuer is not None
        else reader.read_named(token.text("iss"))
    )
    at = time.time() if arguments.at is None else arguments.at
    evaluation = evaluate(trust.descriptions, token, issuer, at)
    if arguments.output == "json":
        print_json(_json(evaluation))
    else:
        _print(evaluation)
    if evaluation.is_accepted:
        return 0
    return EXIT_UNAVAILABLE if evaluation.is_undecided else EXIT_FAILURE


def _trust(arguments: argparse.Namespace) -> ReadTrust:
    from spire_bridge.cloud.trust_errors import InvalidTrust

    if not arguments.trust_files:
        raise InvalidTrust(
            "no description of trust was named",
            hint="name one, such as --aws role.json or --terraform plan.json",
        )
    trust = named_trust(arguments).checked()
    for item in trust.open:
        print_note(f"not evaluated: {item.address}: {item.reason}")
    return trust


def _token(arguments: argparse.Namespace) -> PresentedToken:
    from spire_bridge.service.presented_tokens import TokenUnreadable, read_token

    if arguments.audience is None:
        if arguments.spiffe_id is not None:
            raise TokenUnreadable("--spiffe-id is for a fresh token: name its --audience, too")
        return read_token(arguments.token)
    return asyncio.run(_fresh_token(arguments))


async def _fresh_token(arguments: argparse.Namespace) -> PresentedToken:
    from spire_bridge.service.presented_tokens import fetch_token
    from spire_bridge.workload.client import WorkloadClient

    async with WorkloadClient(arguments.socket, timeout=arguments.timeout) as client:
        return await fetch_token(client, arguments.audience, arguments.spiffe_id)


def _print(evaluation: Evaluation) -> None:
    from spire_bridge.cli.verdicts import print_verdict

    print_note(_described(evaluation.token, evaluation.at))
    if evaluation.issuer.documents.problem:
        print_note(f"issuer: {evaluation.issuer.documents.problem}")
    for number, judged in enumerate(evaluation.judged):
        print(end="\n" if number else "")
        print_verdict(judged.verdict, judged.description.place)


def _described(token: PresentedToken, at: float) -> str:
    from spire_bridge.cloud.presented_token import shown

    if token.defect:
        return f"token: not a JWT: {token.defect}"
    parts = [
        shown(token.claims.get("sub", "no subject")),
        f"issuer {shown(token.claims.get('iss', 'none'))}",
        f"audience {shown(token.claims.get('aud', 'none'))}",
    ]
    expires_at = token.time("exp")
    if expires_at is not None and abs(expires_at) < 1e12:  # a claim may say anything
        parts.append(f"expires {from_now(expires_at, at)}")
    return f"token: {'  '.join(parts)}"


def _json(evaluation: Evaluation) -> dict[str, Any]:
    from spire_bridge.cli.verdicts import verdict_json

    documents = evaluation.issuer.documents
    return {
        "accepted": evaluation.is_accepted,
        "at": datetime.fromtimestamp(evaluation.at, UTC).isoformat(timespec="seconds"),
        "token": {"defect": evaluation.token.defect or None, **_claims(evaluation.token)},
        "issuer": {
            "issuer": documents.issuer,
            "keys": len(documents.keys),
            "problem": documents.problem or None,
            "unavailable": evaluation.issuer.is_unavailable,
        },
        "verdicts": [
            {
                "verifier": judged.description.verifier.key,
                "place": judged.description.place,
                **verdict_json(judged.verdict),
            }
            for judged in evaluation.judged
        ],
    }


def _claims(token: PresentedToken) -> dict[str, Any]:
    return {
        "subject": token.text("sub"),
        "issuer": token.text("iss"),
        "audience": list(token.audiences()),
        "expires_at": token.time("exp"),
        "algorithm": token.algorithm,
        "key_id": token.key_id,
    }
