"""The trust domain's JWT keys, and the JWT-SVIDs that they sign."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.life_cycle import DEFAULT_TTL_SECONDS, Authority, AuthorityKey

SigningKey = RSAKey | ECKey


class KeyType(Enum):
    """A kind of JWT key, by name, with the `alg` that it signs with."""

    RSA_2048 = ("rsa-2048", "RS256")
    RSA_4096 = ("rsa-4096", "RS256")
    EC_P256 = ("ec-p256", "ES256")
    EC_P384 = ("ec-p384", "ES384")

    @property
    def alg(self) -> str:
        return str(self.value[1])

    def generate(self) -> SigningKey:
        """A new private key; an RSA one takes a tenth of a second."""
        match self:
            case KeyType.RSA_2048:
                return RSAKey.generate_key(2048)
            case KeyType.RSA_4096:
                return RSAKey.generate_key(4096)
            case KeyType.EC_P256:
                return ECKey.generate_key("P-256")
            case KeyType.EC_P384:
                return ECKey.generate_key("P-384")


@dataclass(frozen=True, slots=True)
class JwtKey(AuthorityKey):
    key_type: KeyType
    private_key: SigningKey = field(repr=False)

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The key as agents publish it: with `kid`, without `use` and `alg`."""
        return dict(self.private_key.as_dict(private=False, kid=self.key_id))


class JwtAuthority(Authority[JwtKey]):
    """Signs JWT-SVIDs; `issuer`, if set, becomes their `iss` claim."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        key_type: KeyType = KeyType.RSA_2048,
        issuer: str | None = None,
        ttl_seconds: int = DEFAULT_TTL_SECONDS,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.key_type = key_type
        self.issuer = issuer
        super().__init__(clock, ttl_seconds=ttl_seconds, on_change=on_change)

    def issue(
        self,
        spiffe_id: str,
        audience: Sequence[str],
        ttl_seconds: int,
        *,
        issued_at: int | None = None,
    ) -> IssuedJwt:
        """A JWT-SVID that is valid for `ttl_seconds`, at most until its key expires.

        Empty audiences are left out; a `SandboxError` if no audience or no key is left.
        """
        key = self._signing_key()
        audience = [value for value in audience if value]
        if not audience:
            raise SandboxError("a JWT-SVID needs an audience")
        start = int(self.clock()) if issued_at is None else issued_at
        expires_at = min(start + ttl_seconds, key.expires_at)
        claims: dict[str, Any] = {
            "aud": audience,
            "exp": expires_at,
            "iat": start,
            "sub": spiffe_id,
        }
        if self.issuer is not None:
            claims["iss"] = self.issuer
        return IssuedJwt(self.sign(claims), key.key_id, start, expires_at)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with exactly these claims, as they are, signed by the active key."""
        key = self._signing_key()
        header = {"alg": key.key_type.alg, "kid": key.key_id, "typ": "JWT"}
        payload = json.dumps(dict(claims), sort_keys=True, separators=(",", ":"))
        return jws.serialize_compact(header, payload, key.private_key, [key.key_type.alg])

    def _signing_key(self) -> JwtKey:
        key = self.current
        if key is None or key.expires_at <= self.clock():
            raise SandboxError("the trust domain has no JWT key to sign with")
        return key

    def _generate(self, issued_at: int, expires_at: int) -> JwtKey:
        key_id = secrets.token_hex(16)
        return JwtKey(key_id, issued_at, expires_at, self.key_type, self.key_type.generate())


@dataclass(frozen=True, slots=True)
class IssuedJwt:
    """A JWT-SVID and what its agent has to remember of it."""

    token: str = field(repr=False)
    key_id: str
    issued_at: int
    expires_at: int
