"""From a listening socket to connections, with or without a TLS handshake between."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from ipaddress import IPv6Address, ip_address
from typing import Any, cast

from spire_bridge.listen.connections import Connections
from spire_bridge.listen.http1 import Connection

# Accepted before other tasks have their turn.
_AT_ONCE = 100
# Until the next try where the system has no file descriptor or memory for a connection.
_PAUSE_SECONDS = 1.0

# A host and a port; IPv6 has four.
_IPV4_PARTS = 2

_log = logging.getLogger(__name__)


class Acceptor:
    """Accepts what arrives at `listener` from `start` until `stop`."""

    def __init__(
        self, listener: socket.socket, connections: Connections, tls: ssl.SSLContext | None
    ) -> None:
        self._listener, self._connections, self._tls = listener, connections, tls
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._loop.add_reader(self._listener, self.accept, _AT_ONCE)

    def accept(self, most: int) -> None:
        """Accepts what has arrived so far, at most so many connections."""
        for _ in range(most):
            try:
                client, address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._wait(error)
                return
            self._introduce(client, _peer(address))

    def stop(self) -> None:
        """Closes the listening socket, once."""
        if self._listener.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def abort(self) -> None:
        """Ends the handshakes that are going on."""
        for handshake in self._handshakes:
            handshake.cancel()

    def _wait(self, error: OSError) -> None:
        """Turns to other work for a while: the socket would stay readable all the time."""
        _log.error("connections have to wait", extra={"reason": error.strerror})
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(_PAUSE_SECONDS, self.start)

    def _introduce(self, client: socket.socket, peer: str) -> None:
        if self._connections.full:
            client.close()
            return
        client.setblocking(False)
        self._connections.arrive()
        self._handshakes.add(self._loop.create_task(self._connect(client, peer)))

    async def _connect(self, client: socket.socket, peer: str) -> None:
        connection = Connection(self._connections, peer)
        seconds = self._connections.limits.request_seconds if self._tls is not None else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                client,
                ssl=self._tls,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=seconds,
            )
        except OSError as error:  # of which ssl.SSLError is one
            _log.debug("handshake has failed", extra={"peer": peer, "reason": str(error)})
        finally:
            self._handshakes.discard(cast("asyncio.Task[Any]", asyncio.current_task()))
            if not connection.established:
                client.close()
                self._connections.fail()


def _peer(address: Any) -> str:
    """The client's IP address, without port and zone; nothing for a unix socket."""
    if not isinstance(address, tuple):
        return ""
    if len(address) == _IPV4_PARTS:
        return str(address[0])
    peer = ip_address(address[0].partition("%")[0])
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return str(peer)
