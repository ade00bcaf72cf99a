"""Entra's refusals as errors: its number and words, the clause they come from, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.credentials.answer_text import shown_answer
from spire_bridge.credentials.azure.errors import EntraAway, EntraRefused, UnexpectedEntraAnswer
from spire_bridge.errors import BridgeError
from spire_bridge.transport.outgoing import HttpAnswer


@dataclass(frozen=True, slots=True)
class Clause:
    """A rule of `cloud.entra` by name, and a remedy."""

    name: str
    hint: str


_NUMBER = re.compile(r"AADSTS([0-9]{4,8})(?![0-9])", re.ASCII)
_EVALUATE = "compare application and token: spire-bridge trust evaluate --azure app.json"
_SIGNING_KEY = Clause(
    "signing key",
    "publish the key before tokens are signed with it; Entra keeps a key set for a while",
)
_SUBJECT = Clause(
    "subject", "set the subject of a federated credential to this SPIFFE ID, byte for byte"
)

CLAUSES = {
    "90002": Clause("tenant", "name the tenant that the application is in with --tenant"),
    "900023": Clause("tenant", "name the tenant by its ID or a domain of it with --tenant"),
    "700016": Clause("application", "name the application's client ID with --client-id"),
    "50027": Clause("token", "is the agent's answer a JWT-SVID?"),
    "5002738": Clause("signing algorithm", "set jwt_key_type of SPIRE to rsa-2048"),
    "70025": Clause("federated credentials", "add a federated credential to the application"),
    "700027": Clause(
        "kind of token", "set jwt_issuer of SPIRE: without it, Entra looks for its own certificate"
    ),
    "700222": Clause("kind of token", "present a JWT-SVID, not a token of Entra's"),
    "700211": Clause(
        "issuer",
        "make SPIRE's jwt_issuer and the federated credential's issuer equal, to the last slash",
    ),
    "700213": _SUBJECT,
    "7002138": _SUBJECT,
    "700212": Clause(
        "audience", "name the federated credential's audience with --audience, or change it"
    ),
    "70021": Clause(
        "issuer, subject or audience", "compare each with the federated credential, byte for byte"
    ),
    "501661": Clause("discovery", "let Entra reach the issuer's discovery document and keys"),
    "7000272": _SIGNING_KEY,
    "700024": Clause("validity", "set the clocks of the SPIRE server and of this machine"),
}


def refusal(answer: HttpAnswer, content: Mapping[str, Any]) -> BridgeError:
    """The error for an answer without a token; `content` is its JSON."""
    said = content.get("error_description")
    words = shown_answer(said) if isinstance(said, str) else ""
    if answer.status == 429 or answer.status >= 500:
        return EntraAway(f"Entra can't answer now ({answer.status}): {words or 'no words'}")
    number = _NUMBER.match(words)
    clause = CLAUSES.get(number[1]) if number is not None else None
    if clause is not None:
        return EntraRefused(
            f"Entra refuses the token, clause {clause.name}: {words}",
            clause=clause.name,
            hint=clause.hint,
        )
    if words and answer.status >= 400:
        return EntraRefused(f"Entra refuses the token: {words}", hint=_EVALUATE)
    return UnexpectedEntraAnswer(
        f"the answer ({answer.status}) is neither a token nor an error of Entra's",
        hint="is the authority Entra's? A proxy on the way may have answered in its place",
    )
