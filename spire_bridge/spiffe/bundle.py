"""A trust domain's bundle, and the SPIFFE bundle document that carries it.

Source: SPIFFE Trust Domain and Bundle, section 4. The rules for oddities are the table
in `jwt_bundle`; here `use` is required, and a key without it is skipped.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from spire_bridge.jose.errors import InvalidKey
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.jose.strict_json import is_integer
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import (
    JWT_SVID_USE,
    X509_SVID_USE,
    JwtAuthority,
    JwtBundle,
    SkippedKey,
    read_key_set,
    select_jwt_keys,
)
from spire_bridge.spiffe.x509_bundle import X509Bundle, load_certificate

MAX_UINT64 = (1 << 64) - 1

_CERTIFICATE_KEY_TYPES = ("RSA", "EC", "OKP")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything that one trust domain is verified with.

    `sequence` rises with every change, and `refresh_hint_seconds` is how often the
    trust domain asks to be looked at; None where the source tells neither.
    """

    trust_domain: TrustDomain
    jwt: JwtBundle
    x509: X509Bundle
    sequence: int | None = None
    refresh_hint_seconds: int | None = None

    @classmethod
    def from_document(cls, trust_domain: TrustDomain, data: bytes) -> Self:
        """Reads a SPIFFE bundle document of at most 4 MiB. Raises `InvalidBundle`."""
        document = read_key_set(trust_domain, data)
        authorities, skipped = select_jwt_keys(
            trust_domain, document["keys"], frozenset({JWT_SVID_USE})
        )
        certificates: list[x509.Certificate] = []
        for jwk in document["keys"]:
            if jwk.get("use") == X509_SVID_USE:
                try:
                    certificates.append(_certificate(jwk))
                except ValueError:
                    skipped.append(
                        SkippedKey("x509-svid", "unknown key type, or no certificate in 'x5c'")
                    )
        return cls(
            trust_domain,
            JwtBundle.of(trust_domain, authorities, skipped),
            X509Bundle(trust_domain, tuple(certificates)),
            _integer(document, "spiffe_sequence"),
            _integer(document, "spiffe_refresh_hint"),
        )

    def to_document(self) -> bytes:
        """Writes the SPIFFE bundle document; equal bundles give equal bytes."""
        keys: list[dict[str, Any]] = [_x509_jwk(c) for c in self.x509.authorities]
        for _, authority in sorted(self.jwt.authorities.items()):
            keys.append(_jwt_jwk(authority))
        document: dict[str, Any] = {"keys": keys}
        if self.sequence is not None:
            document["spiffe_sequence"] = self.sequence
        if self.refresh_hint_seconds is not None:
            document["spiffe_refresh_hint"] = self.refresh_hint_seconds
        return json.dumps(document, indent=2).encode()


def _certificate(jwk: Mapping[str, Any]) -> x509.Certificate:
    """The first value of `x5c` (X509-SVID section 6.2: the others are ignored).

    Raises `ValueError`, also for an unknown key type (section 4.2.1).
    """
    if jwk.get("kty") not in _CERTIFICATE_KEY_TYPES:
        raise ValueError("unknown key type")
    chain = jwk.get("x5c")
    if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
        raise ValueError("no x5c")
    try:
        return load_certificate(base64.b64decode(chain[0], validate=True))
    except binascii.Error as error:
        raise ValueError("x5c is not base64") from error


def _jwt_jwk(authority: JwtAuthority) -> dict[str, Any]:
    return {**authority.key.to_jwk(), "use": JWT_SVID_USE, "kid": authority.key_id}


def _x509_jwk(certificate: x509.Certificate) -> dict[str, Any]:
    """Section 6.1 of X509-SVID: no `kid`, exactly one certificate."""
    encoded = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    try:
        members = PublicKey.from_cryptography(certificate.public_key()).to_jwk()
    except (InvalidKey, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidBundle(f"an X.509 authority cannot be written: {error}") from None
    return {**members, "use": X509_SVID_USE, "x5c": [encoded]}


def _integer(document: Mapping[str, Any], name: str) -> int | None:
    value = document.get(name)
    if name not in document:
        return None
    if not is_integer(value) or not 0 <= value <= MAX_UINT64:
        raise InvalidBundle(f"bundle's {name!r} is not a non-negative integer")
    return value
