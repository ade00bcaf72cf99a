"""Where a SPIRE server is reached."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.transport.unix_socket import unix_path, unix_target

_HINT = "use unix:///path/to/server.sock, or tls://host:port for a server elsewhere"

# Underscores stand in no host name, and in the names of containers.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_MAX_NAME_LENGTH = 253
_HOST_AND_PORT = re.compile(r"[^/?#@]+:[0-9]+")


class InvalidServerAddress(BridgeError):
    """An address of the Server API is malformed."""

    code = "SERVER_ADDRESS_INVALID"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """Where a server listens for everybody: a name or IP address (no brackets), and a port."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """As it stands in a URI."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The address of a server: its own socket, or else `remote`, which speaks TLS."""

    uri: str
    socket_path: str | None
    remote: RemoteServer | None

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Reads `unix:///path`, `unix:/path` or `tls://host:port`.

        A host is a DNS name, an IPv4 address or an IPv6 address in brackets. As in every
        URI, a path may be percent-encoded. Raises `InvalidServerAddress`.
        """
        if not uri.isascii() or not uri.isprintable():
            raise InvalidServerAddress(
                "Server API address has characters that no URI has", hint=_HINT
            )
        scheme, _, rest = uri.partition(":")
        if any(mark in rest for mark in "?#"):
            raise InvalidServerAddress("Server API address has a query or fragment", hint=_HINT)
        try:
            match scheme.lower():
                case "unix":
                    return cls(uri, unix_path(rest), None)
                case "tls":
                    return cls(uri, None, _remote(rest))
        except ValueError as error:
            raise InvalidServerAddress(f"Server API address {error}", hint=_HINT) from None
        raise InvalidServerAddress(
            "Server API address starts with neither unix: nor tls:", hint=_likely(uri)
        )

    @property
    def target(self) -> str | None:
        """What gRPC calls the socket."""
        return None if self.socket_path is None else unix_target(self.socket_path)

    def __str__(self) -> str:
        return self.uri


def check_trust(address: ServerAddress, *, is_given: bool) -> None:
    """Raises `InvalidServerAddress` where there is nothing to trust a remote server by."""
    if (address.remote is not None) is not is_given:
        raise InvalidServerAddress(
            f"Server API address {address} "
            + ("is a socket, which needs no trust" if is_given else "needs a bundle to trust"),
            hint="a server behind tls: is known by its bundle, one behind unix: by its socket",
        )


def _remote(rest: str) -> RemoteServer:
    """Reads `//host:port`. Raises `ValueError`, as the end of a sentence about the address."""
    host, _, port = rest.removeprefix("//").rpartition(":")
    if not rest.startswith("//") or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("tls: needs a host and a port, and nothing else")
    bracketed = host.startswith("[") and host.endswith("]")
    if not (_is_ipv6(host[1:-1]) if bracketed else _is_name(host)):
        raise ValueError("tls: has a host that is no DNS name, IPv4 address or [IPv6 address]")
    return RemoteServer(host[1:-1] if bracketed else host, int(port))


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _is_name(text: str) -> bool:
    """Whether this is a DNS name; one that ends in a number has to be an IPv4 address."""
    labels = text.removesuffix(".").split(".")
    if len(text) > _MAX_NAME_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    if not labels[-1].isdecimal():
        return True
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False


def _likely(uri: str) -> str:
    if uri.startswith("/"):
        return f"did you mean unix://{uri}?"
    for prefix in ("tcp://", "https://", ""):
        if uri.startswith(prefix) and _HOST_AND_PORT.fullmatch(uri.removeprefix(prefix)):
            return f"did you mean tls://{uri.removeprefix(prefix)}?"
    return _HINT
