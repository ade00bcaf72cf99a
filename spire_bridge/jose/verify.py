"""Verifying a signature with one key and one algorithm that the caller allows."""

from __future__ import annotations

from functools import lru_cache

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from spire_bridge.jose.compact import CompactJws
from spire_bridge.jose.errors import UntrustedToken
from spire_bridge.jose.public_key import PublicKey


def verify_signature(token: CompactJws, key: PublicKey, *, algorithm: str) -> None:
    """Checks the token's signature; `algorithm` must be one that `key` can verify.

    A token that names critical extensions (RFC 7515 section 4.1.11) is refused, since
    none is understood here. Raises `UntrustedToken`.
    """
    if "crit" in token.header:
        raise UntrustedToken("token asks for extensions that are not understood")
    if algorithm not in key.algorithms:
        raise UntrustedToken("token's algorithm does not fit the key")
    try:
        jws.deserialize_compact(token.token, _imported(key), algorithms=[algorithm])
    except (JoseError, ValueError):
        raise UntrustedToken("token's signature does not verify") from None


@lru_cache(maxsize=1024)
def _imported(key: PublicKey) -> RSAKey | ECKey:
    """Imports cost more than a verification: kept for the keys in use."""
    jwk: dict[str, str | list[str]] = {**key.to_jwk()}
    return RSAKey.import_key(jwk) if jwk["kty"] == "RSA" else ECKey.import_key(jwk)
