"""What can be wrong with a JOSE object."""

from spire_bridge.errors import BridgeError


class InvalidJson(BridgeError):
    """A text is not the JSON that a security document may be."""

    code = "JSON_INVALID"


class InvalidToken(BridgeError):
    """A token is malformed, or says something that is refused whoever signed it."""

    code = "TOKEN_INVALID"


class UntrustedToken(InvalidToken):
    """A well-formed token whose signature no acceptable key has made."""

    code = "TOKEN_UNTRUSTED"


class InvalidKey(BridgeError):
    """One JWK cannot be used; the rest of its set may be."""

    code = "KEY_INVALID"


class InvalidKeySet(BridgeError):
    """A whole key set is refused: it is no JWK set, is ambiguous or holds a secret."""

    code = "KEY_SET_INVALID"
