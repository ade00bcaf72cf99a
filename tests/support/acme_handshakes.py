"""Handshakes with a listener: as callers make them, and as a CA does for TLS-ALPN-01."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from spire_bridge.listen.acme.certificate import DomainCertificate, encode_key
from spire_bridge.listen.address import ListenAddress

ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


@dataclass(frozen=True)
class Shown:
    """What a handshake ended with, and what was answered to a request."""

    certificate: x509.Certificate
    protocol: str | None
    answer: bytes

    @property
    def is_challenge(self) -> bool:
        return any(extension.oid == ACME_IDENTIFIER for extension in self.certificate.extensions)


async def shake_hands(
    address: ListenAddress, name: str | None, protocols: Sequence[str] = ("http/1.1",)
) -> Shown:
    """Raises `ssl.SSLError` if the server refuses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=context, server_hostname=name or ""
    )
    try:
        tls = writer.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        return Shown(certificate, tls.selected_alpn_protocol(), await reader.read())
    finally:
        writer.close()
        with suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()


def pem_pair(
    domain: str, *, key: ec.EllipticCurvePrivateKey | None = None, days: float = 90
) -> tuple[bytes, bytes]:
    """A key and a self-signed certificate that is valid from now on."""
    own = ec.generate_private_key(ec.SECP256R1())
    key, now = key or own, datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, domain)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(seconds=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), False)
        .add_extension(x509.AuthorityKeyIdentifier(b"issuer", None, None), False)
        .sign(own, hashes.SHA256())
    )
    return encode_key(own), certificate.public_bytes(Encoding.PEM)


def domain_certificate(domain: str, now: float) -> DomainCertificate:
    return DomainCertificate.parse(domain, *pem_pair(domain), now=now)
