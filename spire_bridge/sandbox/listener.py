"""A gRPC server on one address of this machine that can be stopped and started again."""

from __future__ import annotations

import ipaddress
import re

import grpc
import grpc.aio

from spire_bridge.sandbox.errors import SandboxError

# The kernel holds 107 bytes; clients add a scheme, and some count differently.
MAX_SOCKET_PATH_BYTES = 100

_UNIX = re.compile(r"unix://(?P<path>/[^\0]+)")
_TCP = re.compile(r"tcp://(?:(?P<v4>[0-9.]+)|\[(?P<v6>[0-9a-f:.]+)\]):(?P<port>[0-9]{1,5})")

# What calls in flight get to end by themselves when the server stops.
GRACE_SECONDS = 0.3


def grpc_target(address: str) -> str:
    """The gRPC form of `unix:///path` or `tcp://ip:port`.

    Raises `SandboxError` for anything that could be reached from another machine.
    """
    if unix := _UNIX.fullmatch(address):
        if len(unix["path"].encode()) > MAX_SOCKET_PATH_BYTES:
            raise SandboxError(f"socket path is over {MAX_SOCKET_PATH_BYTES} bytes: {address}")
        return f"unix:{unix['path']}"
    if (tcp := _TCP.fullmatch(address)) and _is_loopback(tcp["v4"] or tcp["v6"], tcp["port"]):
        return address.removeprefix("tcp://")
    raise SandboxError(
        f"the sandbox does not listen on {address!r}",
        hint="it is a development tool: unix:///path, tcp://127.0.0.1:port or tcp://[::1]:port",
    )


def _is_loopback(host: str, port: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback and int(port) < 65536
    except ValueError:
        return False


class Listener:
    """Serves `handler` at `address`; port 0 is replaced by a free one at the first start.

    With `credentials` it speaks TLS; `max_connection_age_seconds` is how long it lets a
    connection live, for ever if None.
    """

    def __init__(
        self,
        address: str,
        handler: grpc.GenericRpcHandler,
        *,
        credentials: grpc.ServerCredentials | None = None,
        max_connection_age_seconds: float | None = None,
    ) -> None:
        grpc_target(address)
        self.address = address
        self._handler = handler
        self._credentials = credentials
        self._max_age_seconds = max_connection_age_seconds
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        # Without SO_REUSEPORT a second server on the port is an error, not a silent twin.
        options = [("grpc.so_reuseport", 0)]
        if self._max_age_seconds is not None:
            options.append(("grpc.max_connection_age_ms", int(1000 * self._max_age_seconds)))
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers((self._handler,))
        try:
            port = self._add_port(server)
        except RuntimeError as error:
            raise SandboxError(f"cannot listen on {self.address}") from error
        if self.address.startswith("tcp:"):
            self.address = f"{self.address.rpartition(':')[0]}:{port}"
        await server.start()
        self._server = server

    def _add_port(self, server: grpc.aio.Server) -> int:
        target = grpc_target(self.address)
        if self._credentials is None:
            return server.add_insecure_port(target)
        return server.add_secure_port(target, self._credentials)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(GRACE_SECONDS)
            self._server = None
