"""What verifiers demand of a key set."""

from __future__ import annotations

from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.key_set import check_key_set, check_served_keys
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.spiffe.jwt_bundle import JwtAuthority

ISSUER = IssuerUrl.parse("https://issuer.example.org")
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@cache
def public_key(algorithm: str) -> PublicKey:
    key = (
        rsa.generate_private_key(65537, 2048)
        if algorithm == "RS256"
        else ec.generate_private_key(CURVES[algorithm])
    )
    return PublicKey.from_cryptography(key.public_key())


def findings(*algorithms: str) -> dict[str, str]:
    keys = (JwtAuthority(f"key-{i:04}", public_key(name)) for i, name in enumerate(algorithms))
    key_set = KeySet(tuple(keys))
    documents = Documents.of(ISSUER, key_set)
    found = check_key_set(key_set, documents)
    served = IssuerDocuments.read(documents.discovery.body, documents.jwks.body)
    assert check_served_keys(served) == found, "as published, so as fetched"
    return {f.verifier: f.reason for f in found}


@pytest.mark.parametrize(
    ("algorithms", "refusing"),
    [
        ((), set()),
        (("RS256",), set()),
        (("ES256",), {"Entra"}),
        (("RS256", "ES256"), {"Entra"}),
        (("ES384",), {"Entra", "Google"}),
        (("ES512",), {"Entra", "Google"}),
        (("RS256",) * 100, set()),
        (("RS256",) * 101, {"AWS"}),
        (("ES256",) * 101, {"AWS", "Entra"}),
        (("RS256",) * 60 + ("ES256",) * 60, {"Entra"}),
        (("RS256",) * 120, {"AWS", "Nimbus"}),
    ],
)
def test_who_refuses(algorithms: tuple[str, ...], refusing: set[str]) -> None:
    assert set(findings(*algorithms)) == refusing


def test_served_keys_that_verify_nothing_are_left_out() -> None:
    jwks = b'{"keys":[{"kty":"oct","k":"eA"},{"kty":"RSA","n":"AQ","e":"AQ"},{},1]}'
    assert check_served_keys(IssuerDocuments.read(b"{}", jwks)) == ()


def test_the_reasons_name_figures() -> None:
    found = findings(*("RS256",) * 120)

    assert found["AWS"] == "it finds at most 100 RSA keys, and there are 120"
    assert found["Nimbus"].startswith("it reads at most 51200 bytes, and the key set has ")
