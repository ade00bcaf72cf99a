"""Key stores and trust stores, read back; tests/peers/test_java.py has Java use them."""

from __future__ import annotations

import time

import pytest
from credential_material import OTHER, x509_context
from cryptography.hazmat.primitives.serialization import pkcs12

from spire_bridge.credentials.errors import InvalidOutput, RenderFailure
from spire_bridge.credentials.pkcs12 import KeyStore, StoreEncryption, TrustStore

NOW = time.time()
PASSWORD = "correct-horse"

encryptions = pytest.mark.parametrize("encryption", list(StoreEncryption))


@encryptions
def test_the_key_store_holds_key_and_chain(encryption: StoreEncryption) -> None:
    context = x509_context(intermediate=True)
    data = KeyStore(PASSWORD, "web", encryption)(context.default_svid)
    read = pkcs12.load_pkcs12(data, PASSWORD.encode())
    assert read.cert is not None
    assert read.key is not None
    assert read.cert.friendly_name == b"web"
    assert (
        read.cert.certificate,
        *(c.certificate for c in read.additional_certs),
    ) == context.default_svid.certificates
    assert read.key.public_key() == context.default_svid.leaf.public_key()
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(data, b"wrong-horse")


@encryptions
def test_the_trust_store_holds_the_authorities(encryption: StoreEncryption) -> None:
    context = x509_context(federated=True)
    own = context.bundles[context.default_svid.spiffe_id.trust_domain].authorities
    assert (
        authorities(
            TrustStore(PASSWORD, encryption=encryption)(context.default_svid, context, now=NOW)
        )
        == own
    )
    everyone = TrustStore(PASSWORD, encryption=encryption, federated=True)
    assert (
        authorities(everyone(context.default_svid, context, now=NOW))
        == own + context.bundles[OTHER].authorities
    )


def authorities(store: bytes) -> tuple[object, ...]:
    read = pkcs12.load_pkcs12(store, PASSWORD.encode())
    assert read.key is None
    return tuple(entry.certificate for entry in read.additional_certs)


def test_a_trust_store_without_any_authority_is_not_written() -> None:
    context = x509_context()
    later = NOW + 100 * 365 * 86400
    with pytest.raises(RenderFailure, match="no authority"):
        TrustStore(PASSWORD, omit_expired=True)(context.default_svid, context, now=later)
    assert TrustStore(PASSWORD)(context.default_svid, context, now=later)


@pytest.mark.parametrize("password", ["", "short", "line\nbreak", "pässword"])
def test_passwords_that_java_would_stumble_over(password: str) -> None:
    for store in (KeyStore, TrustStore):
        with pytest.raises(InvalidOutput) as refused:
            store(password)
        assert not password or password not in refused.value.diagnostic()


def test_an_alias_is_a_name() -> None:
    for alias in ("", "a\nb"):
        with pytest.raises(InvalidOutput):
            KeyStore(PASSWORD, alias)


def test_the_password_is_in_no_repr() -> None:
    assert PASSWORD not in repr(KeyStore(PASSWORD)) + repr(TrustStore(PASSWORD))
