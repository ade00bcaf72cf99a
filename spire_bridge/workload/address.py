"""Where the Workload API is (SPIFFE Workload Endpoint, section 4)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.transport.unix_socket import MAX_SOCKET_PATH_BYTES as MAX_SOCKET_PATH_BYTES
from spire_bridge.transport.unix_socket import unix_path, unix_target
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

SOCKET_VARIABLE = "SPIFFE_ENDPOINT_SOCKET"
_HINT = "use unix:///path/to/agent.sock or tcp://127.0.0.1:8000"


class InvalidAddress(BridgeError):
    """An address of the Workload API is missing or malformed."""

    code = "ENDPOINT_ADDRESS_INVALID"
    exit_status = EXIT_USAGE


class EndpointAddress(Value):
    """The address of a Workload API endpoint: a socket's path, or an IP address and a port."""

    uri: str
    socket_path: str | None
    tcp: tuple[str, int] | None

    @property
    def target(self) -> str:
        """What gRPC calls it."""
        if self.socket_path is not None:
            return unix_target(self.socket_path)
        assert self.tcp is not None
        host, port = self.tcp
        return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Reads `unix:///path`, `unix:/path` or `tcp://ip:port`. Raises `InvalidAddress`.

        As in every URI, a path may be percent-encoded.
        """
        if not uri.isascii() or not uri.isprintable():
            raise InvalidAddress("Workload API address has characters that no URI has", hint=_HINT)
        scheme, colon, rest = uri.partition(":")
        if colon and any(mark in rest for mark in "?#"):
            raise InvalidAddress("Workload API address has a query or fragment", hint=_HINT)
        match scheme.lower() if colon else "":
            case "unix":
                return cls._unix(uri, rest)
            case "tcp":
                return cls._tcp(uri, rest)
        hint = f"did you mean unix://{uri}?" if uri.startswith("/") else _HINT
        raise InvalidAddress("Workload API address starts with neither unix: nor tcp:", hint=hint)

    @classmethod
    def locate(cls, uri: str | None, environment: Mapping[str, str] = os.environ) -> Self:
        """The given address, or that of `SPIFFE_ENDPOINT_SOCKET`. Raises `InvalidAddress`."""
        if found := uri or environment.get(SOCKET_VARIABLE):
            return cls.parse(found)
        raise InvalidAddress(
            f"no Workload API address: none was given and {SOCKET_VARIABLE} is not set",
            hint=f"set {SOCKET_VARIABLE}=unix:///path/to/agent.sock, or pass the address",
        )

    @classmethod
    def _unix(cls, uri: str, rest: str) -> Self:
        try:
            path = unix_path(rest)
        except ValueError as error:
            raise InvalidAddress(f"Workload API address {error}", hint=_HINT) from None
        return cls(uri, path, None)

    @classmethod
    def _tcp(cls, uri: str, rest: str) -> Self:
        import ipaddress

        host, colon, port = rest.removeprefix("//").rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            ip = ipaddress.ip_address(host[1:-1] if bracketed else host)
            valid = bracketed == (ip.version == 6) and "%" not in host  # no scope
            valid = valid and port.isdecimal() and 0 < int(port) < 65536
        except ValueError:
            valid = False
        if not rest.startswith("//") or not colon or not valid:
            raise InvalidAddress(
                "Workload API address tcp: needs an IP address and a port, and nothing else",
                hint=_HINT,
            )
        return cls(uri, None, (host.strip("[]"), int(port)))

    def __str__(self) -> str:
        return self.uri
