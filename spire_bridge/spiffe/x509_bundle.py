"""The certificates that a trust domain issues X.509-SVIDs under."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain


@dataclass(frozen=True, slots=True)
class X509Bundle:
    """The X.509 authorities of one trust domain. Empty means: trust nothing."""

    trust_domain: TrustDomain
    authorities: tuple[x509.Certificate, ...] = ()

    @classmethod
    def from_der(cls, trust_domain: TrustDomain, data: bytes) -> Self:
        """Reads concatenated DER, as the Workload API sends it. Raises `InvalidBundle`."""
        try:
            return cls(trust_domain, parse_der_certificates(data))
        except ValueError:
            raise InvalidBundle(
                f"bundle of {trust_domain} is not a list of DER certificates"
            ) from None

    def pem(self) -> bytes:
        """The authorities as concatenated PEM."""
        return certificates_pem(self.authorities)


def certificates_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Certificates as concatenated PEM."""
    return b"".join(c.public_bytes(Encoding.PEM) for c in certificates)


def parse_der_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Certificates from concatenated DER. Raises `ValueError`."""
    return tuple(load_certificate(der) for der in _der_elements(data))


def load_certificate(der: bytes) -> x509.Certificate:
    """One certificate. Raises `ValueError`."""
    try:
        return x509.load_der_x509_certificate(der)
    except x509.InvalidVersion:  # which is no ValueError
        raise ValueError("not a certificate of version 1 or 3") from None


def _der_elements(data: bytes) -> Iterator[bytes]:
    """Splits concatenated DER SEQUENCEs (X.690 sections 8.1.2 and 10.1)."""
    position = 0
    while position < len(data):
        if data[position] != 0x30 or position + 2 > len(data):
            raise ValueError("not a DER sequence")
        length = data[position + 1]
        header = 2
        if length >= 0x80:
            octets = length & 0x7F
            header += octets
            length = int.from_bytes(data[position + 2 : position + header])
            if not 1 <= octets <= 4:
                raise ValueError("not a DER length")
        end = position + header + length
        if end > len(data):
            raise ValueError("a DER sequence is cut short")
        yield data[position:end]
        position = end
