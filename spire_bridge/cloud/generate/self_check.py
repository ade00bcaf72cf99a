"""Puts tokens to what is about to be configured: of those who are meant, and of neighbours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.neighbours import ClaimedToken, meant, neighbours
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.cloud.rule import Verdict
from spire_bridge.cloud.verifiers import VERIFIERS
from spire_bridge.errors import BridgeError
from spire_bridge.issuer.url import JWKS_PATH
from spire_bridge.jose.compact import CompactJws, base64url_encode
from spire_bridge.jose.public_key import PublicKey

_NOW = 1_700_000_000  # no rule at issue depends on the day
_LIFETIME_SECONDS = 300
_OTHER_CHARACTERS = 600  # of a token besides its subject
_KEY_ID = "key"
_MODULUS = base64url_encode(b"\xff" * 256)  # nobody's key; no signature is checked with it
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


class NotAsMeant(BridgeError):
    """What would be configured lets in somebody else, or not those who are meant."""

    code = "TRUST_NOT_AS_MEANT"


@dataclass(frozen=True, slots=True)
class Checked:
    """How many tokens were accepted and how many refused, all as it should be."""

    accepted: int = 0
    refused: int = 0


def check(granted: Iterable[Grant], algorithm: str) -> Checked:
    """Has the verifiers' rules judge tokens that are signed by `algorithm`.

    Raises `NotAsMeant` for the first workload that is refused, and for the first neighbour
    that is let in.
    """
    accepted = refused = 0
    for grant in granted:
        rules = VERIFIERS[grant.verifier].rules
        trust = rules.parse_trust(grant.trust, name=grant.place)
        for token in meant(grant):
            _expect_accepted(grant, token, rules.evaluate(_presented(token, algorithm), trust))
            accepted += 1
        for token in neighbours(grant):
            _expect_refused(grant, token, rules.evaluate(_presented(token, algorithm), trust))
            refused += 1
    return Checked(accepted, refused)


def _expect_accepted(grant: Grant, token: ClaimedToken, verdict: Verdict) -> None:
    if (failed := verdict.failed) is not None:
        raise NotAsMeant(
            f"{grant.place}: {verdict.verifier} would refuse {token.subject} by its clause"
            f" {failed.name!r}",
            hint=failed.check.fix or None,
        )
    identity = verdict.identity
    if not (grant.gets_something(identity) and grant.is_meant(identity, token.subject)):
        raise NotAsMeant(f"{grant.place}: {token.subject} would not become what is described")


def _expect_refused(grant: Grant, token: ClaimedToken, verdict: Verdict) -> None:
    if verdict.accepted and grant.gets_something(verdict.identity):
        raise NotAsMeant(
            f"{grant.place}: {verdict.verifier} would let in a token with {token.what}:"
            f" {token.subject}",
            hint="this is a defect of the generator: please report it, with the description",
        )


def _presented(token: ClaimedToken, algorithm: str) -> Presentation:
    header = {"alg": algorithm, "kid": _KEY_ID, "typ": "JWT"}
    claims: dict[str, Any] = {
        "iss": token.issuer,
        "sub": token.subject,
        "aud": token.audience,
        "iat": _NOW,
        "exp": _NOW + _LIFETIME_SECONDS,
    }
    length = len(token.subject) + _OTHER_CHARACTERS
    presented = PresentedToken(length, CompactJws("", header, claims))
    return Presentation(presented, _documents(token.issuer, algorithm), _NOW, _unseen)


def _unseen(*_: object) -> bool:
    return True


@lru_cache(maxsize=8)
def _documents(issuer: str, algorithm: str) -> IssuerDocuments:
    """An issuer without fault of that name."""
    discovery = {
        "issuer": issuer,
        "jwks_uri": issuer.rstrip("/") + JWKS_PATH,
        "authorization_endpoint": "",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
    }
    key = {"kid": _KEY_ID, "use": "sig", "alg": algorithm, **_key(algorithm)}
    return IssuerDocuments.read(
        json.dumps(discovery).encode(), json.dumps({"keys": [key]}).encode()
    )


def _key(algorithm: str) -> dict[str, str]:
    if algorithm not in _CURVES:
        return {"kty": "RSA", "n": _MODULUS, "e": "AQAB"}
    base_point = ec.derive_private_key(1, _CURVES[algorithm]).public_key()
    jwk = PublicKey.from_cryptography(base_point).to_jwk()
    return {name: str(jwk[name]) for name in ("kty", "crv", "x", "y")}
