"""Puts tokens to what is about to be configured: of those who are meant, and of neighbours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.cloud.generate.grant import Grant
from spire_bridge.cloud.generate.workloads import all_below, all_ids
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


@dataclass(frozen=True, slots=True)
class _Token:
    what: str
    issuer: str
    subject: str
    audience: str


def check(granted: Iterable[Grant], algorithm: str) -> Checked:
    """Has the verifiers' rules judge tokens that are signed by `algorithm`.

    Raises `NotAsMeant` for the first workload that is refused, and for the first neighbour
    that is let in.
    """
    accepted = refused = 0
    for grant in granted:
        rules = VERIFIERS[grant.verifier].rules
        trust = rules.parse_trust(grant.trust, name=grant.place)
        for token in _meant(grant):
            _expect_accepted(grant, token, rules.evaluate(_presented(token, algorithm), trust))
            accepted += 1
        for token in _neighbours(grant):
            _expect_refused(grant, token, rules.evaluate(_presented(token, algorithm), trust))
            refused += 1
    return Checked(accepted, refused)


def _expect_accepted(grant: Grant, token: _Token, verdict: Verdict) -> None:
    if (failed := verdict.failed) is not None:
        raise NotAsMeant(
            f"{grant.place}: {verdict.verifier} would refuse {token.subject} by its clause"
            f" {failed.name!r}",
            hint=failed.check.fix or None,
        )
    identity = verdict.identity
    if not (grant.gets_something(identity) and grant.is_meant(identity, token.subject)):
        raise NotAsMeant(f"{grant.place}: {token.subject} would not become what is described")


def _expect_refused(grant: Grant, token: _Token, verdict: Verdict) -> None:
    if verdict.accepted and grant.gets_something(verdict.identity):
        raise NotAsMeant(
            f"{grant.place}: {verdict.verifier} would let in a token with {token.what}:"
            f" {token.subject}",
            hint="this is a defect of the generator: please report it, with the description",
        )


def _meant(grant: Grant) -> Iterator[_Token]:
    for subject in all_ids(grant.workloads):
        yield _Token("a subject that is meant", grant.issuer, subject, grant.audience)
    for below in all_below(grant.workloads):
        for rest in ("workload", "some/workload"):
            yield _Token("a subject below", grant.issuer, below + rest, grant.audience)


def _neighbours(grant: Grant) -> Iterator[_Token]:
    """Tokens that differ from those that are meant by a little."""
    seen: set[str] = set()
    for token in _meant(grant):
        subjects = dict(_similar(token.subject))
        yield _Token("another audience", grant.issuer, token.subject, f"{grant.audience}x")
        yield _Token("another issuer", f"{grant.issuer}x", token.subject, grant.audience)
        for subject, what in subjects.items():
            if subject not in seen and not grant.has(subject):
                seen.add(subject)
                yield _Token(what, grant.issuer, subject, grant.audience)
    for below in all_below(grant.workloads):
        path = below.rstrip("/")
        for subject in (path, f"{path}x", f"{path}-x/workload", f"{path}.x/some/workload"):
            if not grant.has(subject):
                yield _Token("a subject beside the path", grant.issuer, subject, grant.audience)


def _similar(spiffe_id: str) -> Iterator[tuple[str, str]]:
    scheme, _, rest = spiffe_id.partition("://")
    domain, _, path = rest.partition("/")
    parent = spiffe_id.rpartition("/")[0]
    yield f"{spiffe_id}x", "a longer subject"
    yield f"{spiffe_id}/x", "a subject below"
    yield parent, "the subject above"
    yield f"{parent}/x", "another subject beside"
    yield f"{scheme}://{domain}/x/{path}", "the same path deeper"
    yield f"{scheme}://x{domain}/{path}", "another trust domain"
    yield f"{scheme}://{domain}.x/{path}", "another trust domain"
    yield f"{scheme}://{domain}/{path.swapcase()}", "the subject in another case"
    yield f"{scheme}://x/{spiffe_id}", "the subject within another"


def _presented(token: _Token, algorithm: str) -> Presentation:
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
