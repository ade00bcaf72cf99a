"""A trust domain with one key of each kind, and tokens that it signs."""

from __future__ import annotations

from typing import Any

import pytest
from forgery.tokens import ec_key, jwk, jwk_set, rsa_key

from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtBundle

KEYS = {
    "rsa": rsa_key(),
    "p256": ec_key(1, "P-256"),
    "p384": ec_key(1, "P-384"),
    "p521": ec_key(1, "P-521"),
}


@pytest.fixture
def trust_domain() -> TrustDomain:
    return TrustDomain("example.org")


@pytest.fixture
def keys() -> dict[str, Any]:
    """The private keys of example.org, by key ID."""
    return dict(KEYS)


@pytest.fixture
def bundles(trust_domain: TrustDomain) -> dict[TrustDomain, JwtBundle]:
    """What example.org is verified with."""
    data = jwk_set(*(jwk(key, kid=key_id) for key_id, key in KEYS.items()))
    return {trust_domain: JwtBundle.from_jwk_set(trust_domain, data)}


@pytest.fixture
def claims() -> dict[str, Any]:
    """Those of a token that is good from 1_000_000 to 1_000_300."""
    return {
        "sub": "spiffe://example.org/web",
        "aud": ["bridge"],
        "iat": 1_000_000,
        "exp": 1_000_300,
    }
