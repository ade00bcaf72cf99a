"""An issuer's documents, before and after a change."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.rules import DocumentRules
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.spiffe.jwt_bundle import JwtAuthority


@pytest.fixture(scope="session")
def issuer() -> IssuerUrl:
    return IssuerUrl.parse("https://issuer.example.org")


@pytest.fixture(scope="session")
def documents(issuer: IssuerUrl) -> Documents:
    key = PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())
    rules = DocumentRules(cache_seconds=120)
    return Documents.of(issuer, KeySet((JwtAuthority("one", key),)), rules)


@pytest.fixture(scope="session")
def revoked(issuer: IssuerUrl) -> Documents:
    return Documents.of(issuer, KeySet(()))
