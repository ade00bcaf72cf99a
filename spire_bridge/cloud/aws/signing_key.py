"""Which key of a key set AWS STS verifies a token with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spire_bridge.cloud.presentation import Presentation


def signing_key(presentation: Presentation, kind: str) -> Mapping[str, Any] | None:
    """The key of a kind (`RSA` or `EC`) that STS would take; None if it finds none.

    A token may leave the key unnamed only if there is but one.
    """
    key_id = presentation.token.key_id
    if key_id:
        key = presentation.documents.key(key_id)
        return key if key is not None and _is_signing(key, kind) else None
    found = {key["kid"]: key for key in presentation.documents.keys if _is_named(key, kind)}
    return next(iter(found.values())) if len(found) == 1 else None


def _is_signing(jwk: Mapping[str, Any], kind: str) -> bool:
    return jwk.get("kty") == kind and jwk.get("use", "sig") == "sig" and _has_numbers(jwk, kind)


def _is_named(jwk: Mapping[str, Any], kind: str) -> bool:
    key_id = jwk.get("kid")
    return isinstance(key_id, str) and bool(key_id) and _is_signing(jwk, kind)


def _has_numbers(jwk: Mapping[str, Any], kind: str) -> bool:
    """Whether the key itself is there: a certificate alone (`x5c`) is not enough."""
    first, second = ("n", "e") if kind == "RSA" else ("x", "y")
    return isinstance(jwk.get(first), str) and isinstance(jwk.get(second), str)
