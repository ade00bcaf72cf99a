"""JWS by `cryptography` alone: a signer that shares no code with the verifier under test."""

from __future__ import annotations

import base64
import json
from functools import cache, lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@lru_cache
def rsa_key(name: str = "first", bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key for each name, kept for the whole run: making one takes a tenth of a second."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(number: int = 1, curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    """The key whose secret is a small number: hundreds of them cost nothing."""
    return ec.derive_private_key(number + 0xC0FFEE, CURVES[curve])


def jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    """The public JWK of a key, with more members."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        n, e = (number.to_bytes((number.bit_length() + 7) // 8) for number in (public.n, public.e))
        return {"kty": "RSA", "n": b64(n), "e": b64(e), **members}
    point = key.public_key().public_numbers()
    size = (key.key_size + 7) // 8
    name = next(name for name, curve in CURVES.items() if curve.name == key.curve.name)
    x, y = (b64(c.to_bytes(size)) for c in (point.x, point.y))
    return {"kty": "EC", "crv": name, "x": x, "y": y, **members}


def jwk_set(*keys: dict[str, Any], **members: Any) -> bytes:
    return json.dumps({"keys": list(keys), **members}).encode()


def signature(key: PrivateKey, algorithm: str, data: bytes) -> bytes:
    """What RFC 7518 section 3 makes of it; ECDSA as R || S."""
    digest = _HASHES[algorithm[2:]]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        size = (key.key_size + 7) // 8
        return r.to_bytes(size) + s.to_bytes(size)
    if algorithm.startswith("PS"):
        return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(data, padding.PKCS1v15(), digest)


def encoded(part: dict[str, Any] | bytes) -> str:
    return b64(part if isinstance(part, bytes) else json.dumps(part).encode())


def compact(header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, sig: bytes) -> str:
    """A token with this signature, whatever it is; bytes stand in it as they are."""
    return f"{encoded(header)}.{encoded(claims)}.{b64(sig)}"


def signed(
    key: PrivateKey,
    header: dict[str, Any] | bytes,
    claims: dict[str, Any] | bytes,
    algorithm: str | None = None,
) -> str:
    """A token signed by `key`, with the algorithm that the header names or another one."""
    algorithm = algorithm or (header["alg"] if isinstance(header, dict) else "RS256")
    data = f"{encoded(header)}.{encoded(claims)}".encode()
    return compact(header, claims, signature(key, algorithm, data))
