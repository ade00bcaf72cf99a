"""Public keys as JWKs (RFC 7517, RFC 7518 section 6): import, canonical form, thumbprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from spire_bridge.jose.compact import base64url_decode, base64url_encode
from spire_bridge.jose.errors import InvalidKey

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384
MAX_RSA_EXPONENT_BITS = 32

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: dict[str, tuple[ec.EllipticCurve, str]] = {
    "P-256": (ec.SECP256R1(), "ES256"),
    "P-384": (ec.SECP384R1(), "ES384"),
    "P-521": (ec.SECP521R1(), "ES512"),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that JWT-SVIDs may be signed with: RSA of 2,048 bits or more, or EC.

    `members` are the JWK's own (`kty`, then `n` and `e`, or `crv`, `x` and `y`), in
    canonical encoding. `algorithms` are those the key can verify; the first is the one
    that SPIRE signs with.
    """

    members: tuple[tuple[str, str], ...]
    algorithms: tuple[str, ...]

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        """Imports the key of a JWK, whatever its `use`, `alg` and `kid`.

        Raises `InvalidKey` for an unknown key type or curve, a weak key, and numbers
        that are no key. Secrets must have been refused before (`key_set`).
        """
        match jwk.get("kty"):
            case "RSA":
                return cls._rsa(_uint(jwk, "n"), _uint(jwk, "e"))
            case "EC":
                return cls._ec(jwk)
        raise InvalidKey("unknown key type")

    @classmethod
    def from_cryptography(cls, key: object) -> Self:
        """Takes a key as `cryptography` has it. Raises `InvalidKey`."""
        match key:
            case rsa.RSAPublicKey():
                numbers = key.public_numbers()
                return cls._rsa(numbers.n, numbers.e)
            case ec.EllipticCurvePublicKey():
                for name, (curve, _) in _CURVES.items():
                    if curve.name == key.curve.name:
                        size = (key.key_size + 7) // 8
                        point = key.public_numbers()
                        x, y = (base64url_encode(c.to_bytes(size)) for c in (point.x, point.y))
                        return cls._ec({"crv": name, "x": x, "y": y})
        raise InvalidKey("unknown key type")

    @classmethod
    def _rsa(cls, n: int, e: int) -> Self:
        if n.bit_length() < MIN_RSA_BITS:
            raise InvalidKey(
                f"RSA key of {n.bit_length()} bits; at least {MIN_RSA_BITS} are needed"
            )
        if n.bit_length() > MAX_RSA_BITS or e.bit_length() > MAX_RSA_EXPONENT_BITS:
            raise InvalidKey("RSA key is unreasonably large")
        try:
            rsa.RSAPublicNumbers(e, n).public_key()
        except ValueError:
            raise InvalidKey("numbers are not an RSA key") from None
        if n % 2 == 0:  # no product of two large primes, which the import does not see
            raise InvalidKey("numbers are not an RSA key")
        members = (("kty", "RSA"), ("n", _uint_text(n)), ("e", _uint_text(e)))
        return cls(members, RSA_ALGORITHMS)

    @classmethod
    def _ec(cls, jwk: Mapping[str, Any]) -> Self:
        name = jwk.get("crv")
        if not isinstance(name, str) or name not in _CURVES:
            raise InvalidKey("unknown curve")
        curve, algorithm = _CURVES[name]
        size = (curve.key_size + 7) // 8
        x, y = _octets(jwk, "x"), _octets(jwk, "y")
        if len(x) != size or len(y) != size:  # RFC 7518 section 6.2.1.2: the full size
            raise InvalidKey("coordinates have the wrong length")
        try:
            ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
        except ValueError:
            raise InvalidKey("point is not on the curve") from None
        members = (
            ("kty", "EC"),
            ("crv", name),
            ("x", base64url_encode(x)),
            ("y", base64url_encode(y)),
        )
        return cls(members, (algorithm,))

    @property
    def algorithm(self) -> str:
        """The algorithm that SPIRE signs with under this key: RS256, ES256, ES384 or ES512."""
        return self.algorithms[0]

    def to_jwk(self) -> dict[str, str]:
        """The key's own members, ready to have `kid`, `use` and `alg` added."""
        return dict(self.members)

    def thumbprint(self) -> str:
        """The JWK thumbprint with SHA-256 (RFC 7638), base64url."""
        canonical = json.dumps(self.to_jwk(), sort_keys=True, separators=(",", ":"))
        return base64url_encode(hashlib.sha256(canonical.encode()).digest())


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise InvalidKey(f"member {name!r} is missing")
    try:
        return base64url_decode(value)
    except ValueError:
        raise InvalidKey(f"member {name!r} is not base64url") from None


def _uint(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_octets(jwk, name))


def _uint_text(number: int) -> str:
    return base64url_encode(number.to_bytes((number.bit_length() + 7) // 8))
