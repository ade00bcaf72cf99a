"""Clients that take their time: all are cut off, whatever they are slow at."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from discovery_providers.certificates import write_pair

from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Request, Response
from spire_bridge.listen.limits import Limits
from spire_bridge.listen.server import serving
from spire_bridge.listen.tls import CertificateFiles

LOOPBACK = ListenAddress("127.0.0.1", 0)
HASTY = Limits(request_seconds=0.4, idle_seconds=30.0)
PATIENT_IDLE = Limits(request_seconds=30.0, idle_seconds=0.4)
PACE_SECONDS = 0.1
PATIENCE_SECONDS = 10.0
SIZE = 50_000_000

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def large(_: Request) -> Response:
    return Response(200, (), b"a" * SIZE)


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return CertificateFiles(*write_pair(tmp_path, "localhost"), 60.0)


@pytest.fixture
async def secured(files: CertificateFiles) -> AsyncIterator[ListenAddress]:
    async with serving(large, LOOPBACK, tls=files.context, limits=HASTY) as address:
        yield address


async def cut_off(address: ListenAddress, trickle: bytes) -> bool:
    """Whether the server ends a connection on which these bytes come one after the other."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    ended = asyncio.create_task(reader.read())
    with contextlib.suppress(ConnectionError):
        for byte in trickle:
            writer.write(bytes([byte]))
            if ended in (await asyncio.wait([ended], timeout=PACE_SECONDS))[0]:
                break
        await asyncio.wait([ended], timeout=PATIENCE_SECONDS)
    with contextlib.suppress(ConnectionError):
        writer.close()
        await writer.wait_closed()
    if not ended.done():
        ended.cancel()
        return False
    return isinstance(ended.exception(), ConnectionError) or ended.result() == b""


def first_flight() -> bytes:
    context, outgoing = ssl.create_default_context(), ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


async def test_a_handshake_that_does_not_begin(secured: ListenAddress) -> None:
    assert await cut_off(secured, b"")


async def test_a_handshake_byte_by_byte(secured: ListenAddress) -> None:
    assert await cut_off(secured, first_flight())


@pytest.mark.parametrize(
    "trickle",
    [
        GET[:-2] + b"x: " + b"a" * 200,
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200\r\n\r\n" + b"a" * 100,
        b"\r\n" * 100,
    ],
    ids=["head", "body", "empty lines"],
)
async def test_a_request_byte_by_byte(trickle: bytes) -> None:
    async with serving(large, LOOPBACK, limits=HASTY) as address:
        assert await cut_off(address, trickle)


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("ending", [False, True], ids=["kept alive", "last"])
async def test_an_answer_that_is_not_taken(
    files: CertificateFiles, secure: bool, ending: bool
) -> None:
    """An answer that waits is no idle connection, where asyncio tells that it waits."""
    limits = replace(HASTY, idle_seconds=0.4) if secure else HASTY
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    tls = files.context if secure else None
    async with serving(large, LOOPBACK, tls=tls, limits=limits) as address:
        reader, writer = await asyncio.open_connection(
            address.host, address.port, ssl=trusting if secure else None, limit=1024
        )
        last = b"connection: close\r\n" if ending else b""
        writer.write(GET[:-2] + last + b"\r\n")
        await asyncio.sleep(2.5)  # the time allowed, and the one between two sweeps
        received = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while part := await reader.read(1_000_000):
                    received += len(part)
        assert received < SIZE
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_client_that_asks_no_more() -> None:
    async with serving(lambda _: Response(204), LOOPBACK, limits=PATIENT_IDLE) as address:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await reader.read() == b""
        writer.close()


async def test_the_time_for_a_request_begins_with_it() -> None:
    """The start of a second one behind the first is no idle connection."""
    limits = Limits(request_seconds=0.4, idle_seconds=30.0)
    async with serving(lambda _: Response(204), LOOPBACK, limits=limits) as address:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(GET + GET[:10])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await reader.read() == b""
        writer.close()
