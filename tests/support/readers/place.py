"""Where an issuer is read: a port, a unix socket, with TLS or without."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache

from loopback_http import Answer, Line


@dataclass(frozen=True)
class Place:
    """An address and port, or the path of a socket; with `ca_file` it speaks TLS."""

    host: str = ""
    port: int = 0
    socket: str = ""
    ca_file: str = ""
    server_name: str = ""

    def tls(self, *, verified: bool = True) -> ssl.SSLContext | None:
        """What to speak TLS with, trusting `ca_file` alone; None where none is spoken."""
        return _context(self.ca_file, verified) if self.ca_file else None

    async def connect(self, tls: ssl.SSLContext | None) -> Line:
        """A new connection. Raises `OSError`."""
        name = self.server_name if tls is not None else None
        if self.socket:
            opening = asyncio.open_unix_connection(self.socket, ssl=tls, server_hostname=name)
        else:
            opening = asyncio.open_connection(self.host, self.port, ssl=tls, server_hostname=name)
        return Line(*await opening)

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """A connection whose certificate is not looked at; cut off at the end."""
        line = await self.connect(self.tls(verified=False))
        try:
            yield line
        finally:
            line.writer.transport.abort()
            with suppress(OSError):  # the server was first
                await line.writer.wait_closed()

    async def ask(self, path: str) -> Answer:
        """One request on a connection of its own."""
        async with self.line() as line:
            return await line.ask(path)


@cache
def _context(ca_file: str, verified: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    if not verified:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
