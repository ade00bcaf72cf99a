"""Signature Version 4 with an X.509 certificate, as IAM Roles Anywhere has requests signed.

Source: IAM Roles Anywhere User Guide, "The signing process".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_plus

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from spire_bridge.listen.http import Request

RSA, ECDSA = "AWS4-X509-RSA-SHA256", "AWS4-X509-ECDSA-SHA256"
MAX_SKEW_SECONDS = 300  # assumed: as elsewhere at AWS

_AUTHORIZATION = re.compile(
    rf"({RSA}|{ECDSA}) Credential=([0-9]+)/(([0-9]{{8}})/[a-z0-9-]+/rolesanywhere/aws4_request),"
    r" ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]+)",
    re.ASCII,
)
_TO_BE_SIGNED = frozenset({"host", "x-amz-date", "x-amz-x509"})


@dataclass(frozen=True, slots=True)
class Authorization:
    """What the Authorization header says."""

    algorithm: str
    serial_number: int
    scope: str
    day: str
    signed_headers: tuple[str, ...]
    signature: bytes

    @classmethod
    def of(cls, request: Request) -> Authorization | None:
        """Reads the header; None if it is none of these."""
        match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if match is None or len(match[2]) > 60 or len(match[6]) % 2:
            return None
        algorithm, serial, scope, day, headers, signature = match.groups()
        names = tuple(headers.split(";"))
        return cls(algorithm, int(serial), scope, day, names, bytes.fromhex(signature))


def presented_certificates(request: Request) -> bytes:
    """The leaf and its intermediates, DER after DER; empty if there are none that can be read."""
    leaf = request.headers.get("x-amz-x509", "")
    chain = request.headers.get("x-amz-x509-chain", "")
    try:
        return b"".join(
            base64.b64decode(part.strip(), validate=True)
            for part in (leaf, *chain.split(","))
            if part.strip()
        )
    except (binascii.Error, ValueError):
        return b""


def is_signed_by(request: Request, leaf: x509.Certificate, now: float) -> bool:
    """Whether the leaf's key signed the request, and lately; never raises."""
    authorization = Authorization.of(request)
    date = request.headers.get("x-amz-date", "")
    if authorization is None or not _is_recent(date, now):
        return False
    headers = authorization.signed_headers
    if authorization.serial_number != leaf.serial_number or authorization.day != date[:8]:
        return False
    if not _TO_BE_SIGNED.issubset(headers) or any(n not in request.headers for n in headers):
        return False
    signed = string_to_sign(
        authorization.algorithm, date, authorization.scope, canonical_request(request, headers)
    )
    return _verifies(authorization, leaf, signed)


def canonical_request(request: Request, headers: tuple[str, ...]) -> str:
    lines = (f"{name}:{' '.join(request.headers[name].split())}" for name in sorted(headers))
    return "\n".join(
        (
            request.method,
            quote(request.path, safe="/-_.~"),
            _canonical_query(request.target.partition("?")[2]),
            *lines,
            "",
            ";".join(sorted(headers)),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def string_to_sign(algorithm: str, date: str, scope: str, canonical: str) -> bytes:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return f"{algorithm}\n{date}\n{scope}\n{digest}".encode()


def _canonical_query(query: str) -> str:
    pairs = (part.partition("=") for part in query.split("&") if part)
    encoded = ((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _encoded(text: str) -> str:
    return quote(unquote_plus(text, errors="replace"), safe="-_.~")


def _is_recent(date: str, now: float) -> bool:
    try:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    return abs(signed_at - now) <= MAX_SKEW_SECONDS


def _verifies(authorization: Authorization, leaf: x509.Certificate, signed: bytes) -> bool:
    try:
        key = leaf.public_key()
        if authorization.algorithm == RSA and isinstance(key, rsa.RSAPublicKey):
            key.verify(authorization.signature, signed, padding.PKCS1v15(), SHA256())
        elif authorization.algorithm == ECDSA and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(authorization.signature, signed, ec.ECDSA(SHA256()))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
