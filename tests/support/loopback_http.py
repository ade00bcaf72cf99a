"""HTTP/1.1 to a server on this machine, byte by byte: what libraries would put right, stays."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from spire_bridge.listen.address import ListenAddress

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Answer:
    """A response as it came; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Line:
    """A connection that one can ask on, again and again."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Answer:
        fields = {"host": "issuer.test", **(headers or {})}
        lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {value}" for n, value in fields.items())]
        return await self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def send(self, data: bytes) -> Answer:
        """Sends the bytes as they are and reads one answer."""
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._answer(with_body=not data.startswith(b"HEAD "))

    async def closed(self, within_seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether the server ends the connection in time."""
        try:
            async with asyncio.timeout(within_seconds):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    async def _answer(self, *, with_body: bool) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0")) if with_body else 0
        return Answer(int(start.split()[1]), headers, await self.reader.readexactly(length))


@asynccontextmanager
async def line_to(address: ListenAddress, tls: ssl.SSLContext | None = None) -> AsyncIterator[Line]:
    """A connection to `address`, cut off at the end."""
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):  # the server was first
            await writer.wait_closed()


async def ask(
    address: ListenAddress,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own."""
    async with line_to(address) as line:
        return await line.ask(path, method, headers)


async def send(address: ListenAddress, data: bytes) -> Answer:
    """One request on a connection of its own, in these bytes."""
    async with line_to(address) as line:
        return await line.send(data)
