"""A token of Vault's, as it is granted and as it is kept. Pure, and loads nothing that calls."""

from __future__ import annotations

import json
from collections.abc import Mapping

from spire_bridge.errors import BridgeError
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class InvalidVaultToken(BridgeError):
    """A grant without a usable token in it."""

    code = "VAULT_TOKEN_INVALID"


class VaultToken(Value):
    """A client token. `granted_at` is in seconds since the epoch, by this machine's clock.

    `lease_seconds` is 0 for a token without an end. A token with `num_uses` dies of its last
    use, so that it is not to be shared.
    """

    client_token: str
    accessor: str
    lease_seconds: int
    renewable: bool
    policies: tuple[str, ...]
    num_uses: int
    granted_at: int

    _hidden = ("client_token",)

    @classmethod
    def parse(cls, auth: object, *, granted_at: int) -> Self:
        """Reads the `auth` of an answer. Raises `InvalidVaultToken`."""
        if not isinstance(auth, Mapping):
            raise InvalidVaultToken("the answer has no 'auth' with a token in it")
        if auth.get("mfa_requirement"):
            raise InvalidVaultToken(
                "the login wants a second factor, which a workload has not",
                hint="take the mount's accessor out of the login enforcements of its identity",
            )
        policies = _of(auth, "policies", list, [])
        if not all(isinstance(policy, str) for policy in policies):
            raise InvalidVaultToken("'policies' of the token are no list of names")
        token = cls(
            client_token=_of(auth, "client_token", str, ""),
            accessor=_of(auth, "accessor", str, ""),
            lease_seconds=_count(auth, "lease_duration"),
            renewable=_of(auth, "renewable", bool, False),
            policies=tuple(policies),
            num_uses=_count(auth, "num_uses"),
            granted_at=granted_at,
        )
        if not token.client_token or not _is_header_value(token.client_token):
            raise InvalidVaultToken("the answer has no token that could be sent")
        return token

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote. Raises `InvalidVaultToken`."""
        try:
            kept = json.loads(text)
            granted_at = _count(kept, "granted_at")
            return cls.parse(kept["auth"], granted_at=granted_at)
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        raise InvalidVaultToken("the kept token can't be read", hint="remove it from the cache")

    def to_json(self) -> str:
        """The token with the time of its grant: a secret."""
        return json.dumps({"auth": self.auth(self.granted_at), "granted_at": self.granted_at})

    def auth(self, now: int) -> dict[str, Any]:
        """The token as `vault write -format=json` has it under `auth`, with what is left of it."""
        left = max(0, self.expires_at - now) if self.lease_seconds else 0
        return {
            "client_token": self.client_token,
            "accessor": self.accessor,
            "policies": list(self.policies),
            "lease_duration": left,
            "renewable": self.renewable,
            "num_uses": self.num_uses,
        }

    @property
    def expires_at(self) -> int:
        """When the lease ends, in seconds since the epoch; the grant's time if it never does."""
        return self.granted_at + self.lease_seconds

    @property
    def is_sharable(self) -> bool:
        """Whether several processes can use it until it ends."""
        return self.lease_seconds > 0 and self.num_uses == 0


def _of(auth: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = auth.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise InvalidVaultToken(f"{name!r} of the token is not what Vault documents")
    return value


def _count(auth: Mapping[str, Any], name: str) -> int:
    value = auth.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise InvalidVaultToken(f"{name!r} of the token is no count of seconds or uses")
    return value


def _is_header_value(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
