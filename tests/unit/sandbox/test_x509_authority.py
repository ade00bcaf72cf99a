"""X.509-SVIDs are to the letter of the X.509-SVID specification and chain to their root."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.x509_authority import X509Authority

TRUST_DOMAIN = "spiffe://example.org"
ID = "spiffe://example.org/web"


def authority_of(clock: Any, **settings: Any) -> X509Authority:
    return X509Authority(clock, trust_domain_id=TRUST_DOMAIN, **settings)


def extension(certificate: x509.Certificate, kind: type[Any]) -> tuple[Any, bool]:
    found = certificate.extensions.get_extension_for_class(kind)
    return found.value, found.critical


def uris(certificate: x509.Certificate) -> list[str]:
    names, _ = extension(certificate, x509.SubjectAlternativeName)
    return list(names.get_values_for_type(x509.UniformResourceIdentifier))


def usages(certificate: x509.Certificate) -> set[str]:
    usage, critical = extension(certificate, x509.KeyUsage)
    assert critical
    names = ("digital_signature", "key_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    return {name for name in names if getattr(usage, name)}


def identifiers(certificate: x509.Certificate) -> tuple[bytes, bytes | None]:
    """Its subject's and its issuer's key identifier."""
    subject, _ = extension(certificate, x509.SubjectKeyIdentifier)
    try:
        issuer, _ = extension(certificate, x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return subject.digest, None
    return subject.digest, issuer.key_identifier


def test_the_root_is_a_ca_for_the_trust_domain(clock: Any) -> None:
    ca = authority_of(clock).current
    assert ca is not None
    assert uris(ca.root) == [TRUST_DOMAIN]
    constraints, critical = extension(ca.root, x509.BasicConstraints)
    assert (constraints.ca, critical) == (True, True)
    assert usages(ca.root) == {"key_cert_sign", "crl_sign"}
    assert identifiers(ca.root) == (bytes.fromhex(ca.key_id), None)
    ca.root.verify_directly_issued_by(ca.root)


def test_the_leaf_carries_one_identity(clock: Any) -> None:
    authority = authority_of(clock)
    svid = authority.issue(ID, 3600)
    (leaf,) = svid.chain
    assert uris(leaf) == [ID]
    constraints, critical = extension(leaf, x509.BasicConstraints)
    assert (constraints.ca, critical) == (False, True)
    assert usages(leaf) == {"digital_signature", "key_encipherment", "key_agreement"}
    extended, _ = extension(leaf, x509.ExtendedKeyUsage)
    assert set(extended) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert authority.current is not None
    assert identifiers(leaf)[1] == bytes.fromhex(authority.current.key_id)
    leaf.verify_directly_issued_by(authority.current.root)


def test_the_key_belongs_to_the_leaf_and_is_pkcs8(clock: Any) -> None:
    svid = authority_of(clock).issue(ID, 3600)
    key = load_der_private_key(svid.key_der, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == svid.chain[0].public_key()


def test_times_follow_the_clock_and_end_with_the_ca(clock: Any) -> None:
    authority = authority_of(clock, ttl_seconds=1000)
    leaf = authority.issue(ID, 600).chain[0]
    assert leaf.not_valid_before_utc.timestamp() == clock() - 10
    assert leaf.not_valid_after_utc.timestamp() == clock() + 600
    clock.advance(800)
    assert authority.issue(ID, 600).expires_at == int(clock()) + 200
    clock.advance(200)
    with pytest.raises(SandboxError, match=r"no X\.509 CA"):
        authority.issue(ID, 600)


def test_an_intermediate_is_in_the_chain_and_not_in_the_bundle(clock: Any) -> None:
    authority = authority_of(clock, intermediate=True)
    leaf, intermediate = authority.issue(ID, 3600).chain
    assert authority.current is not None
    root = authority.current.root
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    assert identifiers(intermediate)[1] == identifiers(root)[0]
    assert intermediate.subject != root.subject


def test_each_ca_has_a_name_and_a_key_of_its_own(clock: Any) -> None:
    authority = authority_of(clock)
    authority.prepare()
    first, second = (key.root for key in authority.keys)
    assert first.subject != second.subject
    assert first.public_key() != second.public_key()
