"""Reading a JWK set (RFC 7517 section 5), refusing whole sets that hold a secret."""

from __future__ import annotations

from typing import Any

from spire_bridge.jose.errors import InvalidJson, InvalidKeySet
from spire_bridge.jose.strict_json import parse_object

MAX_KEY_SET_BYTES = 4 * 1024 * 1024

# Private RSA, EC and OKP members and the symmetric key (RFC 7518 sections 6.2.2, 6.3.2, 6.4).
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})


def parse_key_set(data: bytes) -> dict[str, Any]:
    """Reads a JWK set of at most 4 MiB; `keys` of the result is a list of objects.

    Raises `InvalidKeySet`, also when any member of any key is private or symmetric:
    whoever published that has lost it, and nothing here may copy it on.
    """
    try:
        document = parse_object(data, what="key set", max_bytes=MAX_KEY_SET_BYTES)
    except InvalidJson as error:
        raise InvalidKeySet(error.message) from None
    keys = document.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise InvalidKeySet("key set has no 'keys' array of objects")
    for key in keys:
        if key.get("kty") == "oct" or not _SECRET_MEMBERS.isdisjoint(key):
            raise InvalidKeySet(
                "key set holds a private or symmetric key and is refused whole",
                hint="treat that key as disclosed: revoke it, and publish public keys only",
            )
    return document
