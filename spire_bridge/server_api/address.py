"""Where a SPIRE server is reached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.transport.unix_socket import unix_path, unix_target

_HINT = "use unix:///path/to/server.sock"


class InvalidServerAddress(BridgeError):
    """An address of the Server API is malformed."""

    code = "SERVER_ADDRESS_INVALID"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The address of a server's own socket. `target` is what gRPC calls it."""

    uri: str
    target: str
    socket_path: Path

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Reads `unix:///path` or `unix:/path`. Raises `InvalidServerAddress`.

        As in every URI, a path may be percent-encoded.
        """
        if not uri.isascii() or not uri.isprintable():
            raise InvalidServerAddress(
                "Server API address has characters that no URI has", hint=_HINT
            )
        scheme, _, rest = uri.partition(":")
        if scheme.lower() != "unix":
            hint = f"did you mean unix://{uri}?" if uri.startswith("/") else _HINT
            raise InvalidServerAddress("Server API address does not start with unix:", hint=hint)
        if any(mark in rest for mark in "?#"):
            raise InvalidServerAddress("Server API address has a query or fragment", hint=_HINT)
        try:
            path = unix_path(rest)
        except ValueError as error:
            raise InvalidServerAddress(f"Server API address {error}", hint=_HINT) from None
        return cls(uri, unix_target(path), path)

    def __str__(self) -> str:
        return self.uri
