"""A certificate of one domain, with its key."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from spire_bridge.errors import BridgeError
from spire_bridge.files.key_material import key_material_as_file

_LONGEST_RENEWAL_SECONDS = 30 * 24 * 3600
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)


class UnusableCertificate(BridgeError):
    """A certificate and key that can't serve a domain."""

    code = "ACME_CERTIFICATE_UNUSABLE"


class InvalidDomain(BridgeError):
    """A text is no host name that a CA could certify."""

    code = "ACME_DOMAIN_INVALID"


@dataclass(frozen=True, slots=True)
class DomainCertificate:
    """A key and a chain for `domain`, and the context that serves it.

    Times are in seconds since the epoch.
    """

    domain: str
    not_before: int
    expires_at: int
    chain_pem: bytes
    key_pem: bytes = field(repr=False)
    context: ssl.SSLContext = field(repr=False, compare=False)

    @classmethod
    def parse(cls, domain: str, key_pem: bytes, chain_pem: bytes, *, now: float) -> Self:
        """Raises `UnusableCertificate` unless the two match each other, `domain` and `now`."""
        try:
            key = load_pem_private_key(key_pem, password=None)
            leaf = x509.load_pem_x509_certificates(chain_pem)[0]
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            matches = key.public_key() == leaf.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
            raise UnusableCertificate(f"no certificate and key for {domain}") from None
        if not matches:
            raise UnusableCertificate(f"key does not belong to the certificate for {domain}")
        if domain not in names.get_values_for_type(x509.DNSName):
            raise UnusableCertificate(f"certificate is not for {domain}")
        not_before = int(leaf.not_valid_before_utc.timestamp())
        expires_at = int(leaf.not_valid_after_utc.timestamp())
        if now >= expires_at:
            raise UnusableCertificate(f"certificate for {domain} has expired")
        context = _context(domain, key_pem + b"\n" + chain_pem)
        return cls(domain, not_before, expires_at, chain_pem, key_pem, context)

    def renewal_at(self, jitter: float) -> float:
        """When to renew it: with a third of its lifetime left, at most 30 days.

        `jitter`, from 0 to 1, puts it off by up to a tenth of that, at most an hour, so that
        replicas don't all come at once.
        """
        left = min((self.expires_at - self.not_before) / 3, _LONGEST_RENEWAL_SECONDS)
        return self.expires_at - left + jitter * min(left / 10, 3600)


def check_domain(text: str) -> str:
    """`text`, if a certificate can be asked for that name. Raises `InvalidDomain`."""
    if not _HOST_NAME.fullmatch(text):
        raise InvalidDomain(
            f"{text!r} is no host name for a certificate",
            hint="write the name in lower case, in punycode if need be, without a wildcard",
        )
    return text


def encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PEM as autocert reads it (RFC 5915)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _context(domain: str, pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        with key_material_as_file(pem) as path:
            context.load_cert_chain(path)
    except ssl.SSLError as error:
        reason = f"certificate for {domain} can't be served: {error.reason}"
        raise UnusableCertificate(reason) from None
    return context
