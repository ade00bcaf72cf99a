"""A certificate authority of the web's kind, for one server called issuer.test."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SERVER_NAME = "issuer.test"

_HOUR = datetime.timedelta(hours=1)
_CA_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test's authority")])


@dataclass(frozen=True)
class ServerPair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes
    serial_number: int


class WebAuthority:
    """Issues certificates for `SERVER_NAME`; its own is in `file`."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_CA_NAME, self._key.public_key(), expired=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, *, expired: bool = False) -> ServerPair:
        """A new key and a certificate for it, valid for an hour or until an hour ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(x509.Name([]), key.public_key(), expired=expired)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return ServerPair(
            certificate.public_bytes(Encoding.PEM),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            certificate.serial_number,
        )


def replace_file(file: Path, content: bytes) -> None:
    """Puts a new file in its place at once, as those do who know how."""
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(content)
    new.replace(file)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, *, expired: bool
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(_CA_NAME, subject, key, x509.random_serial_number())
        .not_valid_before(now - 2 * _HOUR)
        .not_valid_after(now - _HOUR if expired else now + _HOUR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


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
