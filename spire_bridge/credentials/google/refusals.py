"""Google's refusals as errors: its own words, the clause that they come from, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.credentials.answer_text import shown_answer
from spire_bridge.credentials.google.errors import GoogleRefused, UnexpectedGoogleAnswer
from spire_bridge.credentials.retrying import TryAgain
from spire_bridge.errors import BridgeError
from spire_bridge.transport.outgoing import HttpAnswer


class GoogleAway(TryAgain):
    """Too many calls, or trouble of Google's own."""

    code = "GOOGLE_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Clause:
    """A rule of `cloud.google` by name, words that it alone refuses with, and a remedy."""

    name: str
    words: str
    hint: str


_EVALUATE = "compare provider and token: spire-bridge trust evaluate --gcp provider.json"

CLAUSES = (
    Clause(
        "exchange audience",
        'Invalid value for "audience"',
        "name the provider in full, with the project's number",
    ),
    Clause(
        "provider",
        "The target service indicated by",
        "is there such a provider, and are it and its pool enabled?",
    ),
    Clause("token", "Unable to parse the ID Token", "is the agent's answer a JWT-SVID?"),
    Clause(
        "issuer",
        "does not match the expected one in config",
        "make SPIRE's jwt_issuer and the provider's issuerUri equal, to the trailing slash",
    ),
    Clause(
        "signing key",
        "Error connecting to the given credential's issuer",
        "let Google reach the issuer, with this key in its key set, or upload the keys (jwksJson)",
    ),
    Clause("signing key", "key types are supported", "set jwt_key_type of SPIRE to rsa-2048"),
    Clause(
        "signature",
        "Unable to verify the ID Token signature",
        "set jwt_key_type of SPIRE to rsa-2048 or ec-p256; two keys must not share a kid",
    ),
    Clause(
        "audience",
        "does not match the expected audience",
        "name one of the provider's allowedAudiences with --audience",
    ),
    Clause("expiry", "is stale to sign-in", "set the clocks of the SPIRE server and this machine"),
    Clause("mapped attributes", "must be of type", "map it from a claim that every token has"),
    Clause(
        "subject size",
        "exceeds the 127 bytes limit",
        "shorten it in the mapping: assertion.sub.extract('spiffe://{path}')",
    ),
    Clause(
        "attribute condition",
        "rejected by the attribute condition",
        "let the provider's attributeCondition cover this workload",
    ),
    Clause(
        "service account",
        "'iam.serviceAccounts.getAccessToken' denied",
        "grant roles/iam.workloadIdentityUser on the account to the workload's principal",
    ),
)


def refusal(answer: HttpAnswer, content: Mapping[str, Any], *, what: str) -> BridgeError:
    """The error for an answer without a token; `what` names the call, `content` is its JSON."""
    said = _words(content)
    if answer.status == 429 or answer.status >= 500:
        return GoogleAway(f"Google can't answer {what} now ({answer.status}): {said or 'no words'}")
    for clause in CLAUSES:
        if clause.words in said:
            return GoogleRefused(
                f"Google refuses {what}, clause {clause.name}: {said}",
                clause=clause.name,
                hint=clause.hint,
            )
    if said and answer.status >= 400:
        return GoogleRefused(f"Google refuses {what}: {said}", hint=_EVALUATE)
    return UnexpectedGoogleAnswer(
        f"the answer to {what} ({answer.status}) is neither a token nor an error of Google's",
        hint="is the endpoint Google's? A proxy on the way may have answered in its place",
    )


def _words(content: Mapping[str, Any]) -> str:
    """Google's own: OAuth's error and description (RFC 6749 5.2), or status and message."""
    error = content.get("error")
    if isinstance(error, dict):
        parts = error.get("status"), error.get("message")
    else:
        parts = error, content.get("error_description")
    return shown_answer(": ".join(part for part in parts if isinstance(part, str)))
