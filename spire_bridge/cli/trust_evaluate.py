"""`spire-bridge trust evaluate`: would this cloud take this token, and if not, why?"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from spire_bridge.cli.arguments import add_endpoint, add_output, moment
from spire_bridge.cli.command import Subparsers, add_command
from spire_bridge.cli.output import from_now, print_json, print_note
from spire_bridge.cli.trust_files import add_issuer, add_trust_files, issuer_reader, named_trust
from spire_bridge.errors import EXIT_FAILURE, EXIT_UNAVAILABLE

if TYPE_CHECKING:
    from spire_bridge.cloud.aws.certificate_chain import PresentedChain
    from spire_bridge.cloud.presented_token import PresentedToken
    from spire_bridge.service.trust.descriptions import ReadTrust
    from spire_bridge.service.trust.evaluation import Evaluation, Presented
    from spire_bridge.service.trust.issuer_reading import ReadIssuer
    from spire_bridge.workload.client import WorkloadClient

T = TypeVar("T")


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
        --audience; it is never printed. IAM Roles Anywhere is shown an X.509-SVID instead.
        Clauses that rest on no public document are marked.

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
        "--spiffe-id", metavar="ID", help="the agent's SVID is to be of this identity"
    )
    add_issuer(parser, default="the one that the token names")
    add_trust_files(parser, of_certificates=True)
    parser.add_argument(
        "--certificate",
        metavar="FILE",
        type=Path,
        help="the X.509-SVID for --roles-anywhere, PEM, leaf first (default: the agent's)",
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        type=moment,
        help="ask about another time: 2026-11-30T12:00:00Z, or +2h from now (default: now)",
    )
    add_endpoint(parser, asked="the agent or the issuer")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    from spire_bridge.service.trust.evaluation import evaluate

    trust = _trust(arguments)
    evaluation = evaluate(trust.descriptions, _presented(arguments, trust))
    if arguments.output == "json":
        print_json(_json(evaluation, trust))
    else:
        _print(evaluation, trust)
    if evaluation.is_accepted:
        return 0
    return EXIT_UNAVAILABLE if evaluation.is_undecided else EXIT_FAILURE


def _presented(arguments: argparse.Namespace, trust: ReadTrust) -> Presented:
    """What the verifiers that were named are to be shown."""
    from spire_bridge.service.trust.evaluation import Presented

    shows = {description.verifier.takes_certificates for description in trust.descriptions}
    reader = issuer_reader(arguments)
    token = _token(arguments) if False in shows else None
    chain = _chain(arguments) if True in shows else None
    issuer = None
    if arguments.issuer is not None:
        issuer = reader.read(arguments.issuer)
    elif token is not None:
        issuer = reader.read_named(token.text("iss"))
    at = time.time() if arguments.at is None else arguments.at
    return Presented(at, token, issuer, chain)


def _trust(arguments: argparse.Namespace) -> ReadTrust:
    from spire_bridge.cloud.trust_errors import InvalidTrust

    if not arguments.trust_files:
        raise InvalidTrust(
            "no description of trust was named",
            hint="name one, such as --aws role.json or --terraform plan.json",
        )
    return named_trust(arguments).checked()


def _token(arguments: argparse.Namespace) -> PresentedToken:
    from spire_bridge.service.trust.presented_tokens import TokenUnreadable, fetch_token, read_token

    audience, spiffe_id = arguments.audience, arguments.spiffe_id
    if audience is not None:
        return _from_agent(arguments, lambda client: fetch_token(client, audience, spiffe_id))
    if spiffe_id is not None:
        raise TokenUnreadable("--spiffe-id is for a fresh token: name its --audience, too")
    return read_token(arguments.token)


def _chain(arguments: argparse.Namespace) -> PresentedChain:
    from spire_bridge.service.trust.presented_tokens import fetch_chain, read_chain

    if arguments.certificate is not None:
        return read_chain(arguments.certificate)
    return _from_agent(arguments, lambda client: fetch_chain(client, arguments.spiffe_id))


def _from_agent(arguments: argparse.Namespace, ask: Callable[[WorkloadClient], Awaitable[T]]) -> T:
    from spire_bridge.workload.client import WorkloadClient

    async def call() -> T:
        async with WorkloadClient(arguments.socket, timeout=arguments.timeout) as client:
            return await ask(client)

    return asyncio.run(call())


def _print(evaluation: Evaluation, trust: ReadTrust) -> None:
    from spire_bridge.cli.verdicts import print_verdict

    presented = evaluation.presented
    if presented.token is not None:
        print_note(_described(presented.token, presented.at))
    if presented.issuer is not None and presented.issuer.documents.problem:
        print_note(f"issuer: {presented.issuer.documents.problem}")
    for item in trust.open:
        print_note(f"not evaluated: {item.address}: {item.reason}")
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


def _json(evaluation: Evaluation, trust: ReadTrust) -> dict[str, Any]:
    from spire_bridge.cli.verdicts import verdict_json

    presented = evaluation.presented
    return {
        "accepted": evaluation.is_accepted,
        "at": datetime.fromtimestamp(presented.at, UTC).isoformat(timespec="seconds"),
        "token": _token_json(presented.token) if presented.token is not None else None,
        "issuer": _issuer_json(presented.issuer) if presented.issuer is not None else None,
        "not_evaluated": [{"place": o.address, "reason": o.reason} for o in trust.open],
        "verdicts": [
            {
                "verifier": judged.description.verifier.key,
                "place": judged.description.place,
                **verdict_json(judged.verdict),
            }
            for judged in evaluation.judged
        ],
    }


def _issuer_json(issuer: ReadIssuer) -> dict[str, Any]:
    documents = issuer.documents
    return {
        "issuer": documents.issuer,
        "keys": len(documents.keys),
        "problem": documents.problem or None,
        "unavailable": issuer.is_unavailable,
    }


def _token_json(token: PresentedToken) -> dict[str, Any]:
    return {
        "defect": token.defect or None,
        "subject": token.text("sub"),
        "issuer": token.text("iss"),
        "audience": list(token.audiences()),
        "expires_at": token.time("exp"),
        "algorithm": token.algorithm,
        "key_id": token.key_id,
    }
