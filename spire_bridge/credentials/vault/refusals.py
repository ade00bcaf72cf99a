"""Vault's refusals as errors: its own words, the clause that they come from, and what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass

from spire_bridge.credentials.answer_text import shown_answer
from spire_bridge.credentials.vault.errors import (
    UnexpectedVaultAnswer,
    VaultAway,
    VaultRefused,
)
from spire_bridge.errors import BridgeError
from spire_bridge.transport.outgoing import HttpAnswer

_AWAY = frozenset({412, 429, 472, 473, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Clause:
    """A rule of `cloud.vault.login` by name, words that it alone refuses with, and a remedy."""

    name: str
    words: str
    hint: str


_EVALUATE = "compare role and token: spire-bridge trust evaluate vault --help"

# In an order in which the first whose words are there is the right one.
CLAUSES = (
    Clause("role", "could not be found", "name a role of this mount: vault list auth/MOUNT/role"),
    Clause("role", "missing role", "name a role with --role"),
    Clause("role type", "with oidc role_type", "set role_type to jwt on the role"),
    Clause("token", "missing token", "fetch a JWT-SVID first: spire-bridge fetch jwt"),
    Clause(
        "issuer's keys",
        "error configuring token validator",
        "let Vault reach the issuer's discovery document, spelled as in oidc_discovery_url",
    ),
    Clause(
        "signature",
        "error verifying token signature",
        "does the issuer that the mount trusts serve this trust domain's keys?",
    ),
    Clause("claim names", "ambiguous claim", "have the issuer leave out that claim"),
    Clause("algorithm", "invalid algorithm", "add it to jwt_supported_algs of the mount"),
    Clause(
        "issuer",
        "invalid issuer (iss) claim",
        "set bound_issuer of the mount to SPIRE's jwt_issuer, byte for byte",
    ),
    Clause("subject", "invalid subject (sub) claim", "set bound_subject of the role to this ID"),
    Clause(
        "audience",
        "invalid audience (aud) claim",
        "ask for an audience of the role's bound_audiences with --audience",
    ),
    Clause("dates", "no issued at (iat), not before (nbf)", "have the issuer date its tokens"),
    Clause("not before", "invalid not before", "set the clocks of Vault and of the SPIRE server"),
    Clause("expiration", "invalid expiration time", "set the clocks of Vault and of this machine"),
    Clause("issued at", "invalid issued at", "set the clocks of Vault and of the SPIRE server"),
    Clause(
        "unbound audience",
        "no audiences bound to the role",
        "set bound_audiences on the role: every JWT-SVID has an audience",
    ),
    Clause("groups", "failed to fetch groups", "set groups_claim to a list, or to nothing"),
    Clause("groups", "to string list", "set groups_claim to a list, or to nothing"),
    Clause("groups", "in groups claim", "set groups_claim to a list of names, or to nothing"),
    Clause("user claim", "not found in token", "set user_claim of the role to sub"),
    Clause("user claim", "could not be converted to string", "set user_claim of the role to sub"),
    Clause("metadata", "error converting claim", "take that claim out of claim_mappings"),
    Clause("bound claims", "error validating claims", _EVALUATE),
    Clause("alias", "missing name in alias", "set user_claim of the role to sub"),
)
_BY_STATUS = {
    403: Clause(
        "",
        "",
        "the mount or the namespace may not be there, or the role's token_bound_cidrs leave this"
        " machine out",
    ),
    404: Clause("", "", "nothing is mounted there: vault auth list"),
}


def refusal(answer: HttpAnswer, *, what: str, secret: str) -> BridgeError:
    """The error for an answer that is no success.

    `what` names the call: "the login as web". `secret` was sent, and is never in the message.
    """
    said = _errors(answer.body).replace(secret, "(the token)")
    for clause in CLAUSES:
        if clause.words in said:
            return VaultRefused(
                f"Vault refuses {what}: {shown_answer(said)}", clause=clause.name, hint=clause.hint
            )
    if answer.status in _AWAY:
        return VaultAway(
            f"Vault can't answer {what} now ({answer.status}): {shown_answer(said)}",
            hint="is it sealed, or in standby? vault status",
        )
    if 300 <= answer.status < 400:
        return UnexpectedVaultAnswer(
            f"Vault sends {what} elsewhere ({answer.status}), and the token stays here",
            hint="name the active node, or the load balancer before it, as the address",
        )
    known = _BY_STATUS.get(answer.status)
    return VaultRefused(
        f"Vault refuses {what} ({answer.status}): {shown_answer(said)}",
        hint=known.hint if known else _EVALUATE,
    )


def _errors(body: bytes) -> str:
    """Vault's own words: `{"errors": ["…"]}`."""
    try:
        errors = json.loads(body)["errors"]
        if isinstance(errors, list) and errors and all(isinstance(e, str) for e in errors):
            return "; ".join(" ".join(error.split()) for error in errors)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return "it does not say why"
