"""The keys that a trust domain signs JWT-SVIDs with.

They arrive in two shapes: as the `jwt-svid` keys of a SPIFFE bundle document
(`bundle.py`), and as the plain JWK set of the Workload API, read here, which real
agents send without `use` or `alg` and which tells neither expiry nor sequence.

What an oddity in a key set means:

=======================================================  =====================================
a private or symmetric part (`d`, `oct`) in any key      the whole set is refused
the same `kid` twice, or a JWT key without `kid`         the whole set is refused
unknown `kty`, `crv` or `use`                            that key is skipped, with a reason
RSA under 2,048 bits, a point off the curve              that key is skipped, with a reason
zero keys                                                revocation of all: an empty bundle
=======================================================  =====================================

Whoever holds an earlier bundle keeps it when a set is refused, and replaces it by an
empty one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from spire_bridge.jose.errors import InvalidKey, InvalidKeySet
from spire_bridge.jose.key_set import parse_key_set
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain

JWT_SVID_USE = "jwt-svid"
X509_SVID_USE = "x509-svid"
WIT_SVID_USE = "wit-svid"

# A plain JWK set has no SPIFFE uses of its own: absent and `sig` mean what RFC 7517 says.
_PLAIN_JWT_USES = frozenset({None, "sig", JWT_SVID_USE})
_OTHER_SVID_USES = (X509_SVID_USE, WIT_SVID_USE)
_KEY_TYPES = ("RSA", "EC")  # tuples: what a key set says may be unhashable


@dataclass(frozen=True, slots=True)
class JwtAuthority:
    """A key of a trust domain, with what its source knows of it.

    `expires_at` is in seconds since the epoch; None where the source does not tell.
    A tainted key still verifies but is about to be revoked.
    """

    key_id: str
    key: PublicKey
    expires_at: int | None = None
    tainted: bool = False


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """A key that was left out of a bundle, for the log."""

    key_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class JwtBundle:
    """The JWT authorities of one trust domain, by key ID. Empty means: trust nothing.

    `skipped` says which keys of the source were left out; it is no part of the value.
    """

    trust_domain: TrustDomain
    authorities: Mapping[str, JwtAuthority] = field(default_factory=lambda: MappingProxyType({}))
    skipped: tuple[SkippedKey, ...] = field(default=(), compare=False)

    @classmethod
    def of(
        cls,
        trust_domain: TrustDomain,
        authorities: Iterable[JwtAuthority],
        skipped: Iterable[SkippedKey] = (),
    ) -> Self:
        """Builds a bundle. Raises `InvalidBundle` if two authorities share a key ID."""
        by_id: dict[str, JwtAuthority] = {}
        for authority in authorities:
            if authority.key_id in by_id:
                raise InvalidBundle(
                    f"bundle of {trust_domain} has key ID {_label(authority.key_id)} twice",
                )
            by_id[authority.key_id] = authority
        return cls(trust_domain, MappingProxyType(by_id), tuple(skipped))

    @classmethod
    def from_jwk_set(cls, trust_domain: TrustDomain, data: bytes) -> Self:
        """Reads the plain JWK set that the Workload API sends for `trust_domain`.

        Raises `InvalidBundle` when the whole set is refused (see the module's table).
        """
        keys = read_key_set(trust_domain, data)["keys"]
        return cls.of(trust_domain, *select_jwt_keys(trust_domain, keys, _PLAIN_JWT_USES))


def read_key_set(trust_domain: TrustDomain, data: bytes) -> dict[str, Any]:
    """A key set that is said to be of `trust_domain`. Raises `InvalidBundle`."""
    try:
        return parse_key_set(data)
    except InvalidKeySet as error:
        raise InvalidBundle(f"bundle of {trust_domain}: {error.message}", hint=error.hint) from None


def select_jwt_keys(
    trust_domain: TrustDomain, keys: Iterable[Mapping[str, Any]], jwt_uses: frozenset[str | None]
) -> tuple[list[JwtAuthority], list[SkippedKey]]:
    """The usable JWT keys of a key set, and those left out, by the module's table.

    `jwt_uses` are the values of `use` (None: absent) that make a key a JWT key.
    Raises `InvalidBundle`.
    """
    authorities: list[JwtAuthority] = []
    skipped: list[SkippedKey] = []
    seen: set[str] = set()
    for jwk in keys:
        use = jwk.get("use")
        is_jwt_key = isinstance(use, str | None) and use in jwt_uses
        if not is_jwt_key and use not in _OTHER_SVID_USES:
            skipped.append(SkippedKey(_label(jwk.get("kid")), "missing or unknown use"))
        elif use == X509_SVID_USE:
            continue
        elif jwk.get("kty") not in _KEY_TYPES:
            skipped.append(SkippedKey(_label(jwk.get("kid")), "unknown key type"))
        else:
            key_id = _key_id(trust_domain, jwk, seen)
            if not is_jwt_key:  # of WIT-SVIDs: the ID is unique across both (their section 6.1)
                continue
            try:
                authorities.append(JwtAuthority(key_id, PublicKey.from_jwk(jwk)))
            except InvalidKey as error:
                skipped.append(SkippedKey(_label(key_id), error.message))
    return authorities, skipped


def _key_id(trust_domain: TrustDomain, jwk: Mapping[str, Any], seen: set[str]) -> str:
    key_id = jwk.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise InvalidBundle(f"bundle of {trust_domain} has a JWT key without 'kid'")
    if key_id in seen:
        raise InvalidBundle(f"bundle of {trust_domain} has key ID {_label(key_id)} twice")
    seen.add(key_id)
    return key_id


def _label(key_id: object) -> str:
    """A key ID as it may stand in a message or log, whatever the set put there."""
    return ascii(key_id)[:64] if isinstance(key_id, str) else "(none)"
