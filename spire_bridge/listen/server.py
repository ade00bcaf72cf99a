"""Listening: a socket, the connections that come to it, and their end.

The socket is bound before anything is served, so that an address in use is an error at
once, port 0 works, and no second process can quietly share a port.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from spire_bridge.listen.address import Address
from spire_bridge.listen.http import Handler
from spire_bridge.listen.http1 import REQUEST_SECONDS, Connection, Connections

_DRAIN_SECONDS = 0.5
_SWEEP_SECONDS = 1.0

A = TypeVar("A", bound=Address)


@asynccontextmanager
async def serving(
    handler: Handler, address: A, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[A]:
    """Serves `handler` at `address` for as long as the context is open.

    Yields the address in use. On leaving, idle connections are closed and requests that
    are arriving have a moment to be answered. Raises `ListenFailure`.
    """
    listener = address.bind()
    bound = address.bound(listener)
    connections = Connections(handler)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(connections),
        sock=listener,
        ssl=tls,
        ssl_handshake_timeout=REQUEST_SECONDS if tls is not None else None,
        ssl_shutdown_timeout=_DRAIN_SECONDS if tls is not None else None,
    )
    sweeping = asyncio.create_task(_sweep(connections), name=f"http {bound}")
    try:
        yield bound
    finally:
        server.close()
        address.release()
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
