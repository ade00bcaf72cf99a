"""Docker's credential helper protocol: `get`, and why the others hold nothing. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection

from spire_bridge.credentials.registry_login import checked_username, registry_of_url
from spire_bridge.errors import BridgeError
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

# Word for word: Docker then asks the registry without a password.
_NOT_FOUND = "credentials not found in native keychain"


class CredentialsNotFound(BridgeError):
    """There is no credential for this registry."""

    code = "CREDENTIALS_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__(_NOT_FOUND)


class DockerLogin(Value):
    """`username` with the token as its secret, at `registries`, or at each if there are none."""

    username: str
    registries: Collection[str] = ()

    def _check(self) -> None:
        checked_username(self.username)

    def registry(self, server_url: str) -> str:
        """The registry that Docker asks for. Raises `CredentialsNotFound`, `InvalidOutput`."""
        registry = registry_of_url(server_url)
        if self.registries and registry not in self.registries:
            raise CredentialsNotFound
        return registry

    def __call__(self, server_url: str, svid: UnverifiedJwtSvid) -> bytes:
        answer = {"ServerURL": server_url, "Username": self.username, "Secret": svid.token}
        return json.dumps(answer).encode() + b"\n"
