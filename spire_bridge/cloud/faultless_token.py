"""A token with nothing against it but, perhaps, what a trust makes of its claims."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.issuer.url import JWKS_PATH
from spire_bridge.jose.compact import CompactJws, base64url_encode
from spire_bridge.jose.public_key import PublicKey

_KEY_ID = "faultless"
_MODULUS = base64url_encode(b"\xff" * 256)  # nobody's key; no signature is checked with it
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
_LIFETIME_SECONDS = 300
_OTHER_CHARACTERS = 600  # of a token besides its subject


def present_token(
    issuer: str, subject: str, audience: str, now: float, algorithm: str = "RS256"
) -> Presentation:
    """The token of an issuer that is as it should be; its signature passes unseen."""
    header = {"alg": algorithm, "kid": _KEY_ID, "typ": "JWT"}
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": int(now),
        "exp": int(now) + _LIFETIME_SECONDS,
    }
    token = PresentedToken(len(subject) + _OTHER_CHARACTERS, CompactJws("", header, claims))
    return Presentation(token, _documents(issuer, algorithm), now, _unseen)


def _unseen(*_: object) -> bool:
    return True


@lru_cache(maxsize=64)
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
