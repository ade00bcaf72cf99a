"""Listening: a socket, the connections that come to it, and their end.

The socket is bound before anything is served, so that an address in use is an error at
once, port 0 works, and no second process can quietly share a port.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from spire_bridge.listen.accepting import Acceptor
from spire_bridge.listen.address import BACKLOG, Address
from spire_bridge.listen.connections import Connections
from spire_bridge.listen.http import Handler
from spire_bridge.listen.limits import Limits

DRAIN_SECONDS = 0.5

_SWEEP_SECONDS = 1.0
# How long a client that asks nothing may still begin to, once the end has come.
_GRACE_SECONDS = 0.25

A = TypeVar("A", bound=Address)


@asynccontextmanager
async def serving(
    handler: Handler,
    address: A,
    *,
    tls: ssl.SSLContext | None = None,
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
    drain_seconds: float = DRAIN_SECONDS,
) -> AsyncIterator[A]:
    """Serves `handler` at `address` for as long as the context is open.

    Yields the address in use. Raises `ListenFailure`.

    Leaving takes at most `drain_seconds` and a moment, and less if all clients go before:

    - No more connections arrive, and those that did are accepted, handshakes under way
      included; none waits in the backlog when the socket is closed. (Linux. Elsewhere a
      connection can arrive in the instant before the socket is closed, and is reset.)
      At a socket that systemd passed they go on to arrive, and wait for its next user.
    - A request whose first byte was read is answered if it arrives within the drain, and
      so are the ones behind it that have begun to arrive. The last answer on a
      connection carries `connection: close`.
    - A connection on which no request has begun, be it new or kept alive, stays open for
      a grace of a quarter of the drain, at most 0.25 seconds, for one to begin. Then it
      is closed in stages (RFC 9112, section 9.6): a client that writes at that very
      moment reads an orderly end and no answer, and may ask again elsewhere, since its
      request reached no handler (section 9.3.1).
    - What is unanswered or not taken when the drain is over is cut off.
    """
    listener, bound = address.bind()
    connections = Connections(handler, limits)
    acceptor = Acceptor(listener, connections, tls)
    acceptor.start()
    sweeping = asyncio.create_task(_sweep(connections), name=f"http {bound}")
    try:
        yield bound
    finally:
        try:
            await _drain(bound, listener, acceptor, connections, drain_seconds)
        finally:
            acceptor.stop()
            acceptor.abort()
            connections.abort()
            sweeping.cancel()


async def _drain(
    address: Address,
    listener: socket.socket,
    acceptor: Acceptor,
    connections: Connections,
    drain_seconds: float,
) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + drain_seconds
    grace = min(_GRACE_SECONDS, drain_seconds / 4)
    under_way_seconds = address.release(listener)
    connections.drain(grace)
    await asyncio.sleep(min(grace, under_way_seconds))
    acceptor.accept(BACKLOG)
    acceptor.stop()
    with suppress(TimeoutError):
        async with asyncio.timeout_at(end):
            await connections.answered()
    # Who closes first sends the other a reset for what is still on its way to him.
    with suppress(TimeoutError):
        async with asyncio.timeout(grace):
            await connections.gone()


async def _sweep(connections: Connections) -> None:
    """Ends what is overdue: one timer for all connections costs less than one for each."""
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        connections.close_overdue(asyncio.get_running_loop().time())
