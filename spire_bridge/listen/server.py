"""The HTTP server: Granian, embedded in the process's own event loop.

The socket is bound here and handed over, so that a port in use is an error at once, port
0 works, and no second process can quietly share the port.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self

from granian._granian import SocketHolder
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.listen.http import Handler, Request

_BACKLOG = 1024
_DRAIN_SECONDS = 1.0
# Header bytes a client may send; more is answered with 431 and a closed connection.
_MAX_HEADER_BYTES = 32 * 1024
_HEADER_TIMEOUT_MILLISECONDS = 10_000


class ListenFailure(BridgeError):
    """An address can't be listened on."""

    code = "LISTEN_FAILED"


class InvalidListenAddress(BridgeError):
    """A text is not `host:port` with an IP address or `localhost`."""

    code = "LISTEN_ADDRESS_INVALID"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An IP address and a TCP port; port 0 has the system choose one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`."""
        host, colon, port = text.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            bare = str(ip_address("127.0.0.1" if bare == "localhost" else bare))
            valid = port.isascii() and port.isdecimal() and int(port) < 65536
        except ValueError:
            valid = False
        if not colon or not valid or (":" in bare) != host.startswith("["):
            raise InvalidListenAddress(
                f"{text!r} is not an address to listen on", hint="write it as 127.0.0.1:8080"
            )
        return cls(bare, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@asynccontextmanager
async def serving(handler: Handler, address: ListenAddress) -> AsyncIterator[ListenAddress]:
    """Serves `handler` at `address` for as long as the context is open.

    Yields the address in use. On leaving, requests under way have a second to end.
    Raises `ListenFailure`.
    """
    listener = _bind(address)
    host, port = listener.getsockname()[:2]
    server = _EmbeddedServer(handler, listener)
    running = asyncio.create_task(server.serve(), name=f"http {host}:{port}")
    try:
        yield ListenAddress(host, port)
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        done, _ = await asyncio.wait({running}, timeout=_DRAIN_SECONDS)
        if not done:
            running.cancel()


def free_address(address: ListenAddress) -> ListenAddress:
    """`address` with a port that is free at the moment. Raises `ListenFailure`."""
    with _bind(address) as listener:
        host, port = listener.getsockname()[:2]
        return ListenAddress(host, port)


def _bind(address: ListenAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server(
            (address.host, address.port), family=family, backlog=_BACKLOG
        )
    except OSError as error:
        raise ListenFailure(
            f"can't listen on {address}: {error.strerror or error}",
            hint="is another program using the port? Choose another one, or port 0",
        ) from None
    listener.setblocking(False)
    return listener


class _EmbeddedServer(Server):
    """Granian on a socket that is already bound, in the event loop that runs."""

    def __init__(self, handler: Handler, listener: socket.socket) -> None:
        super().__init__(
            _rsgi_application(handler),
            interface=Interfaces.RSGI,
            backlog=_BACKLOG,
            backpressure=_BACKLOG,
            websockets=False,
            log_enabled=False,
            http1_settings=HTTP1Settings(
                header_read_timeout=_HEADER_TIMEOUT_MILLISECONDS,
                max_buffer_size=_MAX_HEADER_BYTES,
            ),
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        self._ssp = None
        holder: Any = SocketHolder  # its stub lacks the constructor
        self._shd = holder(self._listener.detach(), False, _BACKLOG)


def _rsgi_application(handler: Handler) -> Any:
    async def application(scope: Any, protocol: Any) -> None:
        method = scope.method
        response = handler(Request(method, scope.path, scope.headers))
        headers = [*response.headers]
        if response.status != 304:
            headers.append(("content-length", str(len(response.body))))
        if method == "HEAD" or not response.body:
            protocol.response_empty(response.status, headers)
        else:
            protocol.response_bytes(response.status, headers, response.body)

    return application


logging.getLogger("_granian").setLevel(logging.WARNING)
logging.getLogger("granian").setLevel(logging.ERROR)
