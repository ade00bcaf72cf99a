"""What the Go verifiers' JOSE library makes of keys, whoever they are meant for.

Source: github.com/go-jose/go-jose, jwk.go, below Vault, OpenBao and Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spire_bridge.cloud.presentation import Presentation

# How an answer of type application/json begins to be refused; the key set itself follows.
UNDECODABLE = (
    "fetching keys oidc: failed to decode keys: got Content-Type = application/json, but could "
    "not unmarshal as JSON: "
)

_CURVES = frozenset({"P-256", "P-384", "P-521"})


def undecodable(keys: Iterable[Mapping[str, Any]], *, version: int) -> str:
    """Why the whole key set is refused, in the library's words; empty if it is not.

    A single key of a kind that the library does not know is enough. Kubernetes has version 2
    of it, Vault and OpenBao have version 4.
    """
    for jwk in keys:
        kind, curve = jwk.get("kty"), jwk.get("crv")
        if kind == "EC" and curve not in _CURVES:
            return f"go-jose/go-jose: unsupported elliptic curve '{curve or ''}'"
        if kind == "OKP" and curve != "Ed25519":
            return _unknown(f"unknown curve {curve or ''}'", version)
        if not kind and version >= 4:
            return "go-jose/go-jose: missing json web key type"
        if kind not in ("EC", "OKP", "RSA", "oct"):
            return _unknown(f"unknown json web key type '{kind or ''}'", version)
    return ""


def _unknown(problem: str, version: int) -> str:
    words = problem if version < 4 else "unsupported key type/format"
    return f"go-jose/go-jose: {words}"


def is_signed_by_any(presentation: Presentation) -> bool:
    """Whether one of the issuer's keys made the signature: those of the token's key ID, or all."""
    return any(
        presentation.is_signed_with(presentation.token, jwk) for jwk in _candidates(presentation)
    )


def _candidates(presentation: Presentation) -> Iterator[Mapping[str, Any]]:
    key_id, keys = presentation.token.key_id, presentation.documents.keys
    named = presentation.key
    if named is not None:
        yield named
    for jwk in keys:
        if not key_id or (jwk.get("kid") == key_id and jwk is not named):
            yield jwk
