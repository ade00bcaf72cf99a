"""The two documents that make an OIDC issuer, as bytes that change only with their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl

# OpenID Connect Discovery, section 3, demands RS256 in the list; it stands there alone
# only while there is no key at all.
_DEFAULT_ALGORITHM = "RS256"
_CLAIMS = MappingProxyType({"claims_supported": ["iss", "sub", "aud", "exp", "iat"]})


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
            discovery=discovery_document(
                issuer.text, issuer.jwks_uri, key_set.algorithms(), extra=_CLAIMS
            ),
            jwks=jwks_document(key_set),
        )


def discovery_document(
    issuer: str,
    jwks_uri: str,
    algorithms: tuple[str, ...],
    *,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> Document:
    """The provider's metadata (OpenID Connect Discovery, section 3), with `extra` members.

    There is no authorization endpoint: nobody logs in here. Verifiers accept the empty
    string, which SPIRE's own provider writes too.
    """
    return Document.of(
        {
            "issuer": issuer,
            "jwks_uri": jwks_uri,
            "authorization_endpoint": "",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(algorithms) or [_DEFAULT_ALGORITHM],
            **extra,
        }
    )


def jwks_document(key_set: KeySet, *, use: str | None = "sig") -> Document:
    """The JWK set; `use` of None leaves the member out."""
    return Document.of(key_set.to_jwks(use=use))
