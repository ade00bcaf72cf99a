"""A token with nothing against it but, perhaps, its subject."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.issuer.url import JWKS_PATH
from spire_bridge.jose.compact import CompactJws, base64url_encode

_SOME_ISSUER = "https://issuer.example.org"
_KEY_ID = "faultless"
_HEADER = {"alg": "RS256", "kid": _KEY_ID, "typ": "JWT"}
_MODULUS = base64url_encode(b"\xff" * 256)  # nobody's key; no signature is checked with it
_KEY = {"kty": "RSA", "kid": _KEY_ID, "use": "sig", "alg": "RS256", "n": _MODULUS, "e": "AQAB"}
_LIFETIME_SECONDS = 300
_OTHER_CHARACTERS = 600  # of a token besides its subject


def present(expectation: Expectation, subject: str, now: float) -> Presentation:
    """The token of this subject for that trust; its signature passes unseen."""
    issuer = expectation.issuer or _SOME_ISSUER
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": expectation.audiences[0] if expectation.audiences else "any",
        "iat": int(now),
        "exp": int(now) + _LIFETIME_SECONDS,
    }
    token = PresentedToken(len(subject) + _OTHER_CHARACTERS, CompactJws("", _HEADER, claims))
    return Presentation(token, _documents(issuer), now, _unseen)


def _unseen(*_: object) -> bool:
    return True


@lru_cache(maxsize=64)
def _documents(issuer: str) -> IssuerDocuments:
    """An issuer without fault of that name."""
    discovery = {
        "issuer": issuer,
        "jwks_uri": issuer.rstrip("/") + JWKS_PATH,
        "authorization_endpoint": "",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    return IssuerDocuments.read(
        json.dumps(discovery).encode(), json.dumps({"keys": [_KEY]}).encode()
    )
