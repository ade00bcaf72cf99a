"""The Server API's messages as values of this project."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge.jose.errors import InvalidKey
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import InvalidSpiffeId, TrustDomain
from spire_bridge.spiffe.jwt_bundle import X509_SVID_USE, JwtAuthority, JwtBundle, SkippedKey
from spire_bridge.spiffe.x509_bundle import X509Bundle, load_certificate
from spire_bridge.transport.rpc_errors import TrustDomainMismatch, UnexpectedAnswer


def bundle_of(message: types.Bundle, expected: TrustDomain | None = None) -> Bundle:
    """The bundle in an answer to GetBundle, by the rules for oddities of `spiffe.jwt_bundle`.

    Raises `TrustDomainMismatch` if it is not of the trust domain that was expected,
    `UnexpectedAnswer` if it names none, and `InvalidBundle` for one that is refused whole.
    """
    trust_domain = _trust_domain(message.trust_domain, expected)
    authorities, skipped = _jwt_authorities(trust_domain, message.jwt_authorities)
    certificates, unusable = _certificates(message.x509_authorities)
    return Bundle(
        trust_domain,
        JwtBundle.of(trust_domain, authorities, [*skipped, *unusable]),
        X509Bundle(trust_domain, tuple(certificates)),
        sequence=message.sequence_number,
        # Zero is "none" here, and a negative number of seconds can mean nothing else.
        refresh_hint_seconds=message.refresh_hint if message.refresh_hint > 0 else None,
    )


def _trust_domain(told: str, expected: TrustDomain | None) -> TrustDomain:
    try:
        trust_domain = TrustDomain.parse(told)
    except InvalidSpiffeId as error:
        raise UnexpectedAnswer(f"the server's bundle names no trust domain: {error}") from None
    if expected is not None and trust_domain != expected:
        raise TrustDomainMismatch(
            f"the server is of trust domain {trust_domain}, not of {expected}",
            hint="is this the address of the right server?",
        )
    return trust_domain


def _jwt_authorities(
    trust_domain: TrustDomain, keys: Iterable[types.JWTKey]
) -> tuple[list[JwtAuthority], list[SkippedKey]]:
    authorities: list[JwtAuthority] = []
    skipped: list[SkippedKey] = []
    seen: set[str] = set()
    for key in keys:
        label = ascii(key.key_id)[:64]
        if not key.key_id:
            raise InvalidBundle(f"bundle of {trust_domain} has a JWT key without key ID")
        if key.key_id in seen:
            raise InvalidBundle(f"bundle of {trust_domain} has key ID {label} twice")
        seen.add(key.key_id)
        try:
            public_key = _public_key(key.public_key)
        except InvalidKey as error:
            skipped.append(SkippedKey(label, error.message))
        else:
            expires_at = key.expires_at or None  # zero: it does not expire
            authorities.append(JwtAuthority(key.key_id, public_key, expires_at, key.tainted))
    return authorities, skipped


def _public_key(der: bytes) -> PublicKey:
    try:
        return PublicKey.from_cryptography(load_der_public_key(der))
    except UnsupportedAlgorithm:
        raise InvalidKey("unknown key type") from None
    except ValueError:
        raise InvalidKey("not a public key in DER") from None


def _certificates(
    authorities: Iterable[types.X509Certificate],
) -> tuple[list[x509.Certificate], list[SkippedKey]]:
    certificates: list[x509.Certificate] = []
    skipped: list[SkippedKey] = []
    for authority in authorities:
        try:
            certificates.append(load_certificate(authority.asn1))
        except ValueError:
            skipped.append(SkippedKey(X509_SVID_USE, "not a certificate"))
    return certificates, skipped
