"""A certificate for this machine's loopback address, by an authority that is made for it alone."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from spire_bridge.files.atomic import write_atomically

LOOPBACK = "127.0.0.1"

_LIFETIME = timedelta(days=7)
_BACKDATED = timedelta(minutes=5)
_HOSTS = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(LOOPBACK)))
_CONSTRAINTS = x509.NameConstraints(
    [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_network(f"{LOOPBACK}/32"))], None
)


@dataclass(frozen=True, slots=True)
class LoopbackCertificate:
    """Three PEM files: whom to trust, and what to serve with.

    The authority may vouch for nothing but this machine, and its key is forgotten at once.
    """

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Writes the files. Raises `FileFailure`."""
        authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        authority, leaf = _authority(authority_key), _leaf(key.public_key(), authority_key)
        files = cls(folder / "ca.pem", folder / "certificate.pem", folder / "key.pem")
        write_atomically(files.authority, authority.public_bytes(Encoding.PEM), mode=0o644)
        write_atomically(files.certificate, leaf.public_bytes(Encoding.PEM), mode=0o644)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomically(files.key, pem)
        return files


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    public_key = key.public_key()
    return (
        _template(_AUTHORITY, public_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(_CONSTRAINTS, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    public_key: ec.EllipticCurvePublicKey, authority: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    return (
        _template(_LEAF, public_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectAlternativeName(_HOSTS), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority, hashes.SHA256())
    )


def _template(name: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(_AUTHORITY, name, public_key, x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


_AUTHORITY, _LEAF = _name("spire-bridge dev, an authority for loopback"), _name("loopback")


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
