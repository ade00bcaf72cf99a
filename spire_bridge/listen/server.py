"""Listening: a socket, the connections that come to it, and their end.

The socket is bound before anything is served, so that a port in use is an error at once,
port 0 works, and no second process can quietly share the port.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.listen.http import Handler
from spire_bridge.listen.http1 import Connection, Connections

_BACKLOG = 1024
# A service has two seconds to stop, and two listeners that stop one after the other.
_DRAIN_SECONDS = 0.5
_SWEEP_SECONDS = 1.0


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

    Yields the address in use. On leaving, idle connections are closed and requests that
    are arriving have a moment to be answered. Raises `ListenFailure`.
    """
    listener = _bind(address)
    host, port = listener.getsockname()[:2]
    connections = Connections(handler)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(connections), sock=listener
    )
    sweeping = asyncio.create_task(_sweep(connections), name=f"http {host}:{port}")
    try:
        yield ListenAddress(host, port)
    finally:
        server.close()
        connections.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await connections.none_left.wait()
        connections.abort()
        sweeping.cancel()


async def _sweep(connections: Connections) -> None:
    """Ends what is overdue: one timer for all connections costs less than one for each."""
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        connections.close_overdue(asyncio.get_running_loop().time())


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
            f"can't listen on {address}: {os.strerror(error.errno) if error.errno else error}",
            hint="is another program using the port? Choose another one, or port 0",
        ) from None
    listener.setblocking(False)
    return listener
