"""Tokens as a cloud is shown them, with signatures that count as good if nothing is said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from forgery.tokens import compact, ec_key, jwk

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken

ISSUER = "https://issuer.test"
NOW = 1_700_000_000
WEB = "spiffe://example.org/ns/prod/sa/web"
KEY = jwk(ec_key(1), kid="one", alg="ES256")

ABSENT = object()


def documents(issuer: str = ISSUER, keys: Sequence[Mapping[str, Any]] = (KEY,)) -> IssuerDocuments:
    discovery = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
    return IssuerDocuments.read(
        json.dumps(discovery).encode(), json.dumps({"keys": list(keys)}).encode()
    )


def token(
    changes: Mapping[str, Any] | None = None, header: Mapping[str, Any] | None = None
) -> PresentedToken:
    """Of the workload WEB for the audience `cluster`; a claim that is ABSENT is left out."""
    claims = {
        "iss": ISSUER,
        "sub": WEB,
        "aud": ["cluster"],
        "iat": NOW - 10,
        "exp": NOW + 300,
        **(changes or {}),
    }
    claims = {name: value for name, value in claims.items() if value is not ABSENT}
    return PresentedToken.read(
        compact({"alg": "ES256", "kid": "one", **(header or {})}, claims, b"signature")
    )


def presentation(
    shown: PresentedToken | None = None,
    issuer: IssuerDocuments | None = None,
    *,
    now: float = NOW,
    is_signed: bool = True,
) -> Presentation:
    return Presentation(
        token() if shown is None else shown,
        documents() if issuer is None else issuer,
        now,
        lambda _token, _jwk: is_signed,
    )
