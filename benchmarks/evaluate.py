"""Verdicts on tokens beside the verification of a signature, and lint at size."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import cycle

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from benchmarks.table import Row, Target
from benchmarks.trusts import AUDIENCES, ISSUER, trust
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.lint.lint import lint
from spire_bridge.cloud.lint.question import Question
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.cloud.verifiers import VERIFIERS
from spire_bridge.jose.compact import base64url_encode
from spire_bridge.jose.public_key import PublicKey

ROUNDS = 9
CALLS = 2_000
SUBJECTS, DESCRIPTIONS = 10_000, 500
# How many in ten of the descriptions are whose.
MIX = ("aws", "aws", "aws", "aws", "azure", "azure", "vault", "vault", "gcp", "kubernetes")

_NOW = 1_800_000_000
_SUBJECT = "spiffe://example.org/ns/payments/sa/ledger"
_KEY = rsa.generate_private_key(65537, 2048)


def run() -> Iterator[Row]:
    signature = _KEY.sign(b"a token", padding.PKCS1v15(), hashes.SHA256())
    public = _KEY.public_key()

    def verify() -> None:
        public.verify(signature, b"a token", padding.PKCS1v15(), hashes.SHA256())

    for key, verifier in VERIFIERS.items():
        if verifier.takes_certificates:
            continue  # most of their work are signatures
        parsed = verifier.rules.parse_trust(trust(key, _SUBJECT), name=key)
        presentation = _presentation(key)
        evaluate = verifier.rules.evaluate
        verdict = evaluate(presentation, parsed)
        if not verdict.accepted:
            raise RuntimeError(f"{key} refuses the token: {verdict.failed}")
        rounds = [
            (_microseconds(lambda: evaluate(presentation, parsed)), _microseconds(verify))  # noqa: B023
            for _ in range(ROUNDS)
        ]
        yield Row.compared(
            f"{verdict.verifier}: a verdict, its signature not checked",
            [ours for ours, _ in rounds],
            [other for _, other in rounds],
            unit="µs",
            beside="one RS256 verification",
            target=Target(0.2),
        )
    yield _lint("one in ten a pattern", _usual)
    yield _lint("all for everybody", _for_all)


def _microseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - started) / CALLS * 1e6


def _presentation(key: str) -> Presentation:
    claims = {
        "iss": ISSUER,
        "sub": _SUBJECT,
        "aud": [AUDIENCES[key]],
        "iat": _NOW,
        "exp": _NOW + 300,
    }
    header = {"alg": "RS256", "kid": "a", "typ": "JWT"}
    parts = [base64url_encode(json.dumps(part).encode()) for part in (header, claims)]
    token = PresentedToken.read(f"{'.'.join(parts)}.{base64url_encode(b'unseen')}")
    key = PublicKey.from_cryptography(_KEY.public_key()).to_jwk()
    jwk = {**key, "kid": "a", "alg": "RS256", "use": "sig"}
    discovery = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    documents = IssuerDocuments.read(
        json.dumps(discovery).encode(), json.dumps({"keys": [jwk]}).encode()
    )
    return Presentation(token, documents, _NOW, lambda _token, _jwk: True)


def _lint(what: str, pattern_of: Callable[[int, str], str]) -> Row:
    subjects = {f"spiffe://example.org/ns/n{n % 250}/sa/s{n}": f"ids:{n}" for n in range(SUBJECTS)}
    listed = list(subjects)
    descriptions = []
    for number, key in zip(range(DESCRIPTIONS), cycle(MIX), strict=False):
        subject = listed[number * (SUBJECTS // DESCRIPTIONS)]
        if key != "azure":  # which knows no patterns
            subject = pattern_of(number, subject)
        verifier = VERIFIERS[key]
        parsed = verifier.rules.parse_trust(trust(key, subject), name=f"{number}.json")
        descriptions.append(TrustDescription(verifier, f"{number}.json", parsed))
    started = time.process_time()
    findings = list(lint(Question(descriptions, subjects, ISSUER, _NOW)))
    seconds = time.process_time() - started
    if any(finding.rule == "subject-refused" for finding in findings):
        raise RuntimeError(f"a subject is refused that is meant: {findings}")
    return Row.alone(
        f"lint {SUBJECTS:,} SPIFFE IDs, {DESCRIPTIONS} descriptions, {what}",
        [seconds],
        unit="s",
        target=Target(10, unit="s"),
    )


def _usual(number: int, subject: str) -> str:
    """One in ten is a pattern for a namespace of forty workloads."""
    return f"{subject.partition('/sa/')[0]}/*" if number % 100 < len(MIX) else subject


def _for_all(_number: int, _subject: str) -> str:
    return "spiffe://example.org/*"
