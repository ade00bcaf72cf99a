"""Tokens that no verifier may accept, each made of a good one.

A forgery takes the good token and the JWK that the issuer serves for it: what an attacker has.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Jwk = dict[str, Any]
Forgery = Callable[[str, Jwk], str]

# No verifier looks at it, so only the signature can give a forged token away.
ONE_CLAIM_MORE = {"forged": True}


def changed_claims(token: str, _: Jwk) -> str:
    """The claims changed under a signature that was made for others."""
    header, _claims, signature = token.split(".")
    return f"{header}.{_encode(_changed_claims(token))}.{signature}"


def flipped_signature_bit(token: str, _: Jwk) -> str:
    signed, _dot, signature = token.rpartition(".")
    octets = bytearray(_decode_bytes(signature))
    octets[0] ^= 1
    return f"{signed}.{_encode_bytes(octets)}"


def truncated_signature(token: str, _: Jwk) -> str:
    signed, _dot, signature = token.rpartition(".")
    return f"{signed}.{_encode_bytes(_decode_bytes(signature)[:-8])}"


def no_signature(token: str, _: Jwk) -> str:
    return token.rpartition(".")[0] + "."


def unsecured(token: str, _: Jwk) -> str:
    """`alg: none` (RFC 7519, section 6)."""
    header = pyjwt.get_unverified_header(token) | {"alg": "none"}
    return f"{_encode(header)}.{_encode(_changed_claims(token))}."


def public_key_as_secret(token: str, jwk: Jwk) -> str:
    """`alg: HS256`, with the public key as the secret (RFC 8725, section 2.1)."""
    public_key: Any = pyjwt.PyJWK(jwk).key
    secret = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = pyjwt.get_unverified_header(token) | {"alg": "HS256"}
    signed = f"{_encode(header)}.{_encode(_changed_claims(token))}"
    return f"{signed}.{_encode_bytes(hmac.digest(secret, signed.encode(), 'sha256'))}"


def foreign_key(token: str, jwk: Jwk) -> str:
    """Signed by someone else's key of the same kind, under the key ID of the issuer's."""
    return _signed_by_a_foreign_key(token, jwk, {"kid": jwk["kid"]})


def unknown_key(token: str, jwk: Jwk) -> str:
    """The same under a key ID that the issuer does not serve."""
    return _signed_by_a_foreign_key(token, jwk, {"kid": "unknown"})


def embedded_key(token: str, jwk: Jwk) -> str:
    """The same, with the key to verify it with in the token's own header."""
    public_jwk = json.loads(_algorithm(jwk).to_jwk(_foreign_key(jwk["alg"]).public_key()))
    return _signed_by_a_foreign_key(token, jwk, {"kid": jwk["kid"], "jwk": public_jwk})


ALL: tuple[Forgery, ...] = (
    changed_claims,
    flipped_signature_bit,
    truncated_signature,
    no_signature,
    unsecured,
    public_key_as_secret,
    foreign_key,
    unknown_key,
    embedded_key,
)


def _signed_by_a_foreign_key(token: str, jwk: Jwk, header: dict[str, Any]) -> str:
    claims = _changed_claims(token)
    return pyjwt.encode(claims, _foreign_key(jwk["alg"]), jwk["alg"], headers=header)


def _changed_claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    return claims | ONE_CLAIM_MORE


def _algorithm(jwk: Jwk) -> Any:
    return pyjwt.get_algorithm_by_name(jwk["alg"])


@cache
def _foreign_key(alg: str) -> Any:
    match alg:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return rsa.generate_private_key(65537, 2048)


def _encode(value: dict[str, Any]) -> str:
    return _encode_bytes(json.dumps(value, separators=(",", ":")).encode())


def _encode_bytes(value: bytes | bytearray) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decode_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
