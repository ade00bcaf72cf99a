"""Which keys of a bundle the issuer publishes, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle


@dataclass(frozen=True, slots=True)
class KeySet:
    """The issuer's keys, sorted by key ID so that equal bundles give equal bytes."""

    keys: tuple[JwtAuthority, ...]

    @classmethod
    def from_bundle(cls, bundle: JwtBundle, now: float) -> Self:
        """The bundle's keys without those that have expired, where their source tells.

        SPIRE ends a token no later than its key, so nothing valid is signed by those.
        """
        live = (a for a in bundle.authorities.values() if not _expired(a, now))
        return cls(tuple(sorted(live, key=lambda authority: authority.key_id)))

    @property
    def next_expiry(self) -> int | None:
        """When the set has to be made anew without a change of the bundle, epoch seconds."""
        return min((k.expires_at for k in self.keys if k.expires_at is not None), default=None)

    def algorithms(self) -> tuple[str, ...]:
        """What tokens are signed with: the algorithms of the keys that are there."""
        return tuple(sorted({authority.key.algorithm for authority in self.keys}))

    def to_jwks(self, *, use: str | None = "sig") -> dict[str, list[dict[str, str]]]:
        """The JWK set (RFC 7517): each key with `kid`, its actual `alg`, and `use` unless None."""
        usage = {"use": use} if use is not None else {}
        return {"keys": [{**usage, **_jwk(authority)} for authority in self.keys]}


def _jwk(authority: JwtAuthority) -> dict[str, str]:
    members = authority.key.to_jwk()
    return {
        "kty": members.pop("kty"),
        "kid": authority.key_id,
        "alg": authority.key.algorithm,
        **members,
    }


def _expired(authority: JwtAuthority, now: float) -> bool:
    return authority.expires_at is not None and authority.expires_at <= now
