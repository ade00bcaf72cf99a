"""An issuer's two documents as a verifier finds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from spire_bridge.jose.errors import InvalidJson, InvalidKey
from spire_bridge.jose.public_key import PublicKey

# Verifiers differ; what is larger than this is read by none that is known.
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class IssuerDocuments:
    """The discovery document and the key set as they were read, unknown members and all.

    `problem` says why there are none, such as an issuer that can't be reached. `keys` are
    the members of the key set that are objects, in its order; `jwks_bytes` is its size.
    """

    discovery: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[Mapping[str, Any], ...] = ()
    jwks_bytes: int = 0
    problem: str = ""
    _by_id: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, discovery: bytes, jwks: bytes) -> Self:
        """Reads what an issuer serves, or was saved of it. Never raises."""
        try:
            metadata = _object(discovery, "the discovery document")
            key_set = _object(jwks, "the key set")
        except InvalidJson as error:
            return cls(problem=error.message)
        listed = key_set.get("keys")
        if not isinstance(listed, list):
            return cls(metadata, problem="the key set has no list of keys")
        keys = tuple(key for key in listed if isinstance(key, dict))
        by_id = {key["kid"]: key for key in keys if isinstance(key.get("kid"), str)}
        return cls(metadata, keys, len(jwks), _by_id=by_id)

    @classmethod
    def unreachable(cls, problem: str) -> Self:
        return cls(problem=problem)

    @property
    def issuer(self) -> str | None:
        value = self.discovery.get("issuer")
        return value if isinstance(value, str) else None

    def key(self, key_id: str | None) -> Mapping[str, Any] | None:
        """The JWK of that ID."""
        return self._by_id.get(key_id) if key_id is not None else None


def public_key(jwk: Mapping[str, Any]) -> PublicKey | None:
    """The key of a JWK; None if it is none that a signature can be verified with."""
    try:
        return PublicKey.from_jwk(jwk)
    except InvalidKey:
        return None


def _object(data: bytes, what: str) -> dict[str, Any]:
    if len(data) > MAX_DOCUMENT_BYTES:
        raise InvalidJson(f"{what} is larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidJson(f"{what} is no JSON") from None
    if not isinstance(value, dict):
        raise InvalidJson(f"{what} is no JSON object")
    return value
