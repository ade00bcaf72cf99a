"""What the forgeries are aimed at: two trust domains, and a token that one of them has signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forgery.tokens import b64, ec_key, jwk, jwk_set, rsa_key, signed
from spire_bridge.spiffe.errors import InvalidSvid
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtBundle

NOW = 1_000_000
HOME, OTHER = TrustDomain("example.org"), TrustDomain("other.org")
RSA, P256, P384, P521 = rsa_key(), ec_key(1), ec_key(1, "P-384"), ec_key(1, "P-521")
OTHER_KEY, ATTACKER, WEAK = ec_key(7), ec_key(666), rsa_key("weak", 1024)
CLAIMS = {
    "sub": "spiffe://example.org/web",
    "aud": ["bridge"],
    "iat": NOW - 5,
    "exp": NOW + 300,
    "jti": "a-marker-that-stands-in-no-message",
}
HEADER = {"alg": "ES256", "kid": "p256", "typ": "JWT"}

BUNDLES = {
    HOME: JwtBundle.from_jwk_set(
        HOME,
        jwk_set(
            jwk(RSA, kid="rsa"),
            jwk(P256, kid="p256"),
            jwk(P384, kid="p384"),
            jwk(P521, kid="p521"),
            jwk(WEAK, kid="weak"),
            jwk(ec_key(2), kid="off the curve", y=b64(b"\1" * 32)),
        ),
    ),
    OTHER: JwtBundle.from_jwk_set(OTHER, jwk_set(jwk(OTHER_KEY, kid="p256"))),
}

# Takes a token, the error expected and what to verify with; a fixture.
Refused = Callable[..., InvalidSvid]


def with_header(**members: Any) -> dict[str, Any]:
    return {**HEADER, **members}


def genuine(**claims: Any) -> str:
    """A token that example.org has signed, whatever it says."""
    return signed(P256, HEADER, {**CLAIMS, **claims})
