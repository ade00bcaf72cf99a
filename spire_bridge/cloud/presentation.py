"""A token that is shown to a verifier at a moment, and the issuer as it stands then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.cloud.issuer_documents import IssuerDocuments, public_key
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.jose.errors import UntrustedToken
from spire_bridge.jose.verify import verify_signature

# Whether a token was signed with the key of a JWK.
SignatureCheck = Callable[[PresentedToken, Mapping[str, Any]], bool]


def signed_with(token: PresentedToken, jwk: Mapping[str, Any]) -> bool:
    """Verifies the signature with the JWK's key, by the token's own algorithm."""
    key = public_key(jwk)
    if key is None or token.jws is None or token.algorithm is None:
        return False
    try:
        verify_signature(token.jws, key, algorithm=token.algorithm)
    except UntrustedToken:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Presentation:
    """What every verifier's case begins with; `now` is in seconds since the epoch."""

    token: PresentedToken
    documents: IssuerDocuments
    now: float
    is_signed_with: SignatureCheck = signed_with

    @property
    def key(self) -> Mapping[str, Any] | None:
        """The issuer's JWK that the token names."""
        return self.documents.key(self.token.key_id)
