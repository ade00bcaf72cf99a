"""Keys of a trust domain, one of each kind."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from spire_bridge.jose.public_key import PublicKey
from spire_bridge.spiffe.jwt_bundle import JwtAuthority


@pytest.fixture(scope="session")
def authorities() -> Mapping[str, JwtAuthority]:
    """By algorithm; the key IDs sort otherwise than the algorithms."""
    private = {
        "RS256": ("c", rsa.generate_private_key(65537, 2048)),
        "ES256": ("b", ec.generate_private_key(ec.SECP256R1())),
        "ES384": ("a", ec.generate_private_key(ec.SECP384R1())),
        "ES512": ("d", ec.generate_private_key(ec.SECP521R1())),
    }
    return {
        algorithm: JwtAuthority(key_id, PublicKey.from_cryptography(key.public_key()))
        for algorithm, (key_id, key) in private.items()
    }
