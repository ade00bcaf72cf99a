"""The two documents that make an OIDC issuer, as bytes that change only with their content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self

from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl

# OpenID Connect Discovery, section 3, demands RS256 in the list; it stands there alone
# only while there is no key at all.
_DEFAULT_ALGORITHM = "RS256"


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document and its strong entity tag, quotes included."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, value: dict[str, Any]) -> Self:
        body = json.dumps(value, indent=2).encode()
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


@dataclass(frozen=True, slots=True)
class Documents:
    """An issuer's discovery document and JWK set, made once for each change."""

    discovery: Document
    jwks: Document

    @classmethod
    def of(cls, issuer: IssuerUrl, key_set: KeySet) -> Self:
        return cls(
            discovery=Document.of(_discovery(issuer, key_set)), jwks=Document.of(key_set.to_jwks())
        )


def _discovery(issuer: IssuerUrl, key_set: KeySet) -> dict[str, Any]:
    """The provider's metadata (OpenID Connect Discovery, section 3).

    There is no authorization endpoint: nobody logs in here. Verifiers accept the empty
    string, which SPIRE's own provider writes too.
    """
    return {
        "issuer": issuer.text,
        "jwks_uri": issuer.jwks_uri,
        "authorization_endpoint": "",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(key_set.algorithms()) or [_DEFAULT_ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat"],
    }
