"""The two documents that make an OIDC issuer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from spire_bridge.issuer.document import Document
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.rules import DEFAULT_CACHE_SECONDS, DocumentRules
from spire_bridge.issuer.url import IssuerUrl

# OpenID Connect Discovery, section 3, demands RS256 in the list; it stands there alone
# only while there is no key at all.
_DEFAULT_ALGORITHM = "RS256"
_CLAIMS = MappingProxyType({"claims_supported": ["iss", "sub", "aud", "exp", "iat"]})

# What follows from the issuer and its keys, and nobody may set otherwise.
DERIVED_MEMBERS = frozenset({"issuer", "jwks_uri", "id_token_signing_alg_values_supported"})

_NO_RULES = DocumentRules()


@dataclass(frozen=True, slots=True)
class Documents:
    """An issuer's discovery document and JWK set, made once for each change.

    Verifiers may keep them for `cache_seconds`.
    """

    discovery: Document
    jwks: Document
    cache_seconds: int = DEFAULT_CACHE_SECONDS

    @classmethod
    def of(
        cls,
        issuer: IssuerUrl,
        key_set: KeySet,
        rules: DocumentRules = _NO_RULES,
        *,
        refresh_hint_seconds: int | None = None,
    ) -> Self:
        jwks_uri = rules.jwks_uri or issuer.jwks_uri
        extra = {**_CLAIMS, **rules.extra}
        return cls(
            discovery_document(issuer.text, jwks_uri, key_set.algorithms(), extra=extra),
            Document.of(key_set.to_jwks()),
            rules.cache_lifetime(refresh_hint_seconds),
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
