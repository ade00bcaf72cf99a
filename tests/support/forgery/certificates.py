"""X.509-SVIDs, with every extension open to change."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from forgery.tokens import ec_key, rsa_key

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH

_USAGES = [
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
]
_DAY = datetime.timedelta(days=1)
_START = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Extensions:
    """The extensions of a certificate; None leaves one out.

    `usages` are those of KeyUsage, `names` replaces `uris` by general names of any kind.
    """

    uris: tuple[str, ...] = ("spiffe://example.org/web",)
    names: tuple[x509.GeneralName, ...] | None = None
    usages: tuple[str, ...] | None = ("digital_signature",)
    usages_critical: bool = True
    ca: bool | None = False
    purposes: tuple[x509.ObjectIdentifier, ...] | None = (SERVER, CLIENT)

    def built(self) -> Iterable[tuple[x509.ExtensionType, bool]]:
        names = self.names
        if names is None:
            names = tuple(x509.UniformResourceIdentifier(uri) for uri in self.uris)
        if names:
            yield x509.SubjectAlternativeName(names), True
        if self.usages is not None:
            set_ones = {name: name in self.usages for name in _USAGES}
            yield x509.KeyUsage(**set_ones), self.usages_critical
        if self.ca is not None:
            yield x509.BasicConstraints(ca=self.ca, path_length=None), True
        if self.purposes is not None:
            yield x509.ExtendedKeyUsage(self.purposes), False


LEAF = Extensions()
SIGNING = Extensions(
    uris=("spiffe://example.org",), usages=("key_cert_sign",), ca=True, purposes=None
)

LEAF_KEY = ec_key(1)
CA_KEY = rsa_key("authority")  # RSA, so that the same certificate has the same octets


def certificate(
    extensions: Extensions = LEAF,
    *,
    public_key: Any = None,
    extra: Iterable[tuple[x509.ObjectIdentifier, bytes]] = (),
) -> x509.Certificate:
    """A certificate signed by `CA_KEY`; `extra` adds extensions as raw DER."""
    builder = (
        x509.CertificateBuilder(x509.Name([]), x509.Name([]))
        .public_key(public_key or LEAF_KEY.public_key())
        .serial_number(7)
        .not_valid_before(_START)
        .not_valid_after(_START + 365 * _DAY)
    )
    for extension, critical in extensions.built():
        builder = builder.add_extension(extension, critical)
    for oid, value in extra:
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), False)
    return builder.sign(CA_KEY, hashes.SHA256())


def der(*certificates: x509.Certificate) -> bytes:
    return b"".join(c.public_bytes(Encoding.DER) for c in certificates)


def pkcs8(key: Any = LEAF_KEY) -> bytes:
    return bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def with_version(data: bytes, version: int) -> bytes:
    """A certificate's DER with another version number, which its signature then denies."""
    field = bytes.fromhex("a003020102")  # [0] EXPLICIT INTEGER 2, which is version 3
    position = data.index(field) + len(field) - 1
    return data[:position] + bytes([version]) + data[position + 1 :]
