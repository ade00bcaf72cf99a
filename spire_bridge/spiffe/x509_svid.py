"""X.509-SVIDs (X509-SVID specification), with the private key that proves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from spire_bridge.spiffe.errors import InvalidSvid
from spire_bridge.spiffe.id import InvalidSpiffeId, SpiffeId
from spire_bridge.spiffe.x509_bundle import certificates_pem, parse_der_certificates

# What reading a certificate's extensions raises, beyond ExtensionNotFound.
_MALFORMED = (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class X509Svid:
    """A workload's certificate chain, leaf first, and the leaf's private key."""

    spiffe_id: SpiffeId
    certificates: tuple[x509.Certificate, ...]
    private_key: PrivateKey = field(repr=False, compare=False)
    hint: str = ""

    @classmethod
    def from_der(cls, chain: bytes, private_key: bytes, *, hint: str = "") -> Self:
        """Reads concatenated DER certificates and a PKCS#8 key, as the Workload API sends them.

        Raises `InvalidSvid` for a leaf that section 5.2 refuses, intermediates that are no
        signing certificates, and a key that is not the leaf's.
        """
        try:
            certificates = parse_der_certificates(chain)
            key = load_der_private_key(private_key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InvalidSvid("X.509-SVID is not DER certificates with a PKCS#8 key") from None
        if not certificates:
            raise InvalidSvid("X.509-SVID has no certificate")
        leaf, *intermediates = certificates
        spiffe_id = leaf_spiffe_id(leaf)
        if not all(_is_signing(certificate) for certificate in intermediates):
            raise InvalidSvid("X.509-SVID has an intermediate that is no signing certificate")
        if not isinstance(key, PrivateKey) or not _belongs(key, leaf):
            raise InvalidSvid("X.509-SVID's private key does not belong to its certificate")
        return cls(spiffe_id, certificates, key, hint)

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[0]

    @property
    def expires_at(self) -> datetime:
        """When the leaf ends, UTC."""
        return self.leaf.not_valid_after_utc

    def chain_pem(self) -> bytes:
        """Leaf and intermediates as concatenated PEM."""
        return certificates_pem(self.certificates)

    def private_key_pem(self) -> bytes:
        """The private key as unencrypted PKCS#8 PEM: a secret."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def leaf_spiffe_id(leaf: x509.Certificate) -> SpiffeId:
    """The SPIFFE ID of a leaf certificate, by the checks of sections 2, 4 and 5.2.

    Says nothing about who has signed it. Raises `InvalidSvid`.
    """
    try:
        extensions = leaf.extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, *_MALFORMED):
        raise InvalidSvid("certificate lacks a URI name or key usage, or is malformed") from None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise InvalidSvid(f"certificate has {len(uris)} URI names; an X.509-SVID has exactly one")
    if _has_ca_flag(extensions) or usage.key_cert_sign or usage.crl_sign:
        raise InvalidSvid("certificate is a signing certificate, which identifies no workload")
    if not usage.digital_signature:
        raise InvalidSvid("certificate's key usage lacks digitalSignature")
    try:
        spiffe_id = SpiffeId.parse(uris[0])
    except InvalidSpiffeId as error:
        raise InvalidSvid(error.message) from None
    if not spiffe_id.path:
        raise InvalidSvid("certificate's SPIFFE ID has no path, so it names no workload")
    return spiffe_id


def _belongs(key: PrivateKey, leaf: x509.Certificate) -> bool:
    try:
        return key.public_key() == leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


def _is_signing(certificate: x509.Certificate) -> bool:
    """Section 3.2: keyCertSign, and the `cA` flag."""
    try:
        extensions = certificate.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, *_MALFORMED):
        return False
    return usage.key_cert_sign and _has_ca_flag(extensions)


def _has_ca_flag(extensions: x509.Extensions) -> bool:
    try:
        return extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
