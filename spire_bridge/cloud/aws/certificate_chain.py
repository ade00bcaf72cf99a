"""Certificates as a stranger presents them to IAM Roles Anywhere, and the way to a trust anchor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from spire_bridge.spiffe.x509_bundle import parse_der_certificates

MAX_CHAIN_BYTES = 256 * 1024
MAX_DEPTH = 6

_MALFORMED = (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion)
_UNVERIFIABLE = (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class PresentedChain:
    """A leaf and its intermediates, read as far as they go.

    `defect` says why there is no leaf. `is_signed` tells whether the request that came with
    them was signed with the leaf's key, which whoever received it has checked.
    """

    certificates: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    defect: str = ""
    is_signed: bool = True

    @classmethod
    def read(cls, data: bytes, *, is_signed: bool = True) -> Self:
        """Reads PEM or concatenated DER, leaf first; never raises."""
        if len(data) > MAX_CHAIN_BYTES:
            return cls(defect=f"it is larger than {MAX_CHAIN_BYTES} bytes", is_signed=is_signed)
        try:
            certificates = read_certificates(data)
        except ValueError:
            return cls(defect="it is neither PEM nor DER of certificates", is_signed=is_signed)
        if not certificates:
            return cls(defect="it has no certificate", is_signed=is_signed)
        if not all(_is_readable(certificate) for certificate in certificates):
            return cls(defect="it has a malformed certificate", is_signed=is_signed)
        return cls(certificates, is_signed=is_signed)

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[0]


def read_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Certificates of PEM or concatenated DER. Raises `ValueError`."""
    if b"-----BEGIN" not in data:
        return parse_der_certificates(data)
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except x509.InvalidVersion:  # which is no ValueError
        raise ValueError("not a certificate of version 1 or 3") from None


def _is_readable(certificate: x509.Certificate) -> bool:
    """Whether names and extensions can be read: `cryptography` decodes them when asked."""
    try:
        _ = certificate.subject, certificate.issuer, certificate.extensions
    except (*_MALFORMED, ValueError, TypeError):
        return False
    return True


def is_trusted(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: float
) -> bool:
    """Whether a path of valid signatures leads from the leaf to an anchor (RFC 5280 section 6).

    Every certificate on it is within its dates, and every issuer is a CA that may sign
    certificates at its depth. The leaf itself may be no anchor.
    """
    moment = _moment(now)
    if moment is None or not _is_current(chain[0], moment):
        return False
    return _leads(chain[0], chain[1:], anchors, moment, depth=0)


def _leads(
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    moment: datetime,
    depth: int,
) -> bool:
    if any(_issued(certificate, anchor, moment, depth) for anchor in anchors):
        return True
    if depth == MAX_DEPTH:
        return False
    for i, issuer in enumerate(intermediates):
        if _issued(certificate, issuer, moment, depth):
            rest = (*intermediates[:i], *intermediates[i + 1 :])
            if _leads(issuer, rest, anchors, moment, depth + 1):
                return True
    return False


def _issued(
    certificate: x509.Certificate, issuer: x509.Certificate, moment: datetime, depth: int
) -> bool:
    """Whether `issuer`, with `depth` intermediates below it, signed the certificate."""
    if certificate.issuer != issuer.subject or not _is_current(issuer, moment):
        return False
    if not may_sign(issuer, depth):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except _UNVERIFIABLE:
        return False
    return True


def may_sign(certificate: x509.Certificate, depth: int = 0) -> bool:
    """Whether it is a CA that signs certificates with `depth` CAs between (RFC 5280 4.2.1)."""
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return False
    if constraints.path_length is not None and constraints.path_length < depth:
        return False
    usage = extension(certificate, x509.KeyUsage)
    return usage is None or usage.key_cert_sign


def _is_current(certificate: x509.Certificate, moment: datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def _moment(now: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(now, UTC)
    except (ValueError, OverflowError, OSError):
        return None


E = TypeVar("E", bound=x509.ExtensionType)


def extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    """An extension's value; None if it is absent."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
