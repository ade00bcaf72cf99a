"""A TCP proxy between a client and a server of this machine, which can cut what it carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

LOOPBACK = "127.0.0.1"


class Middle:
    """What lies between: `connections` is how many it has carried so far."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.connections = 0
        self._server_port = server_port
        self._open: list[asyncio.StreamWriter] = []
        self._pumping: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Resets every connection on both sides, as a firewall does that has lost its table."""
        while self._open:
            self._open.pop().transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far, out = await asyncio.open_connection(LOOPBACK, self._server_port)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        self._open += [writer, out]
        for pumping in (_pump(reader, out), _pump(far, writer)):
            self._pumping.add(asyncio.create_task(pumping))

    async def end(self) -> None:
        self.cut()
        await asyncio.gather(*self._pumping)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
    finally:
        writer.transport.abort()


@asynccontextmanager
async def between(server_port: int) -> AsyncIterator[Middle]:
    """A `Middle` in front of a port of this machine."""
    middle = Middle(server_port)
    async with await asyncio.start_server(middle.accept, LOOPBACK, 0) as server:
        middle.port = server.sockets[0].getsockname()[1]
        try:
            yield middle
        finally:
            await middle.end()
