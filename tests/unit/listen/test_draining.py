"""The end of a listener under load: what was asked is answered, and nobody is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from discovery_providers.certificates import write_pair
from loopback_http import Line

from spire_bridge.listen.address import Address, ListenAddress, UnixAddress
from spire_bridge.listen.http import Request, Response, text
from spire_bridge.listen.limits import Limits
from spire_bridge.listen.server import serving
from spire_bridge.listen.tls import CertificateFiles

LOOPBACK = ListenAddress("127.0.0.1", 0)
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
CLIENTS = 12
PACE_SECONDS = 0.02

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def hello(_: Request) -> Response:
    return text(200, "hello")


@asynccontextmanager
async def line(connect: Connect) -> AsyncIterator[Line]:
    reader, writer = await connect()
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


class Place:
    """Somewhere to listen, and how a client gets there."""

    def __init__(self, address: Address, files: CertificateFiles | None) -> None:
        self.address = address
        self.server_tls = files.context if files else None
        self.client_tls = ssl.create_default_context() if files else None
        if self.client_tls is not None:
            self.client_tls.check_hostname = False
            self.client_tls.verify_mode = ssl.CERT_NONE

    @asynccontextmanager
    async def served(self, drain_seconds: float) -> AsyncIterator[Connect]:
        async with serving(
            hello, self.address, tls=self.server_tls, drain_seconds=drain_seconds
        ) as bound:

            async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                if isinstance(bound, UnixAddress):
                    return await asyncio.open_unix_connection(bound.path)
                assert isinstance(bound, ListenAddress)
                return await asyncio.open_connection(bound.host, bound.port, ssl=self.client_tls)

            yield connect


@pytest.fixture(params=["tcp", "unix", "tls"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "unix":
        return Place(UnixAddress(tmp_path / "socket"), None)
    if request.param == "tls":
        return Place(LOOPBACK, CertificateFiles(*write_pair(tmp_path, "localhost"), 60.0))
    return Place(LOOPBACK, None)


async def outcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, bool]:
    """How one request ended, and whether the connection can be asked on."""
    try:
        writer.write(GET)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(6)
    except asyncio.IncompleteReadError as error:
        return "cut" if error.partial else "ended", False
    except OSError:
        return "reset", False
    return ("answered" if body == b"hello\n" else "wrong"), b"connection: close" not in head


def busily(_: Request) -> Response:
    """So that connections wait in the backlog when the end comes."""
    time.sleep(0.002)
    return text(200, "hello")


class Hammer:
    """Clients in threads of their own, so that the end comes at any point of what they do."""

    def __init__(self, place: Place, address: Address) -> None:
        self._place, self._address = place, address
        self._stop = threading.Event()
        self.new, self.old = Counter[str](), Counter[str]()
        self._threads = [
            *(threading.Thread(target=self._ask_anew) for _ in range(CLIENTS)),
            *(threading.Thread(target=self._ask_again) for _ in range(CLIENTS)),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    def _ask_anew(self) -> None:
        """One connection after the other, until none is to be had."""
        while not self._stop.is_set():
            with ExitStack() as stack:
                try:
                    plain = self._connected(stack)
                except (ConnectionRefusedError, FileNotFoundError, TimeoutError):
                    return
                try:
                    how, _ = self._asked(self._secured(stack, plain))
                except OSError as error:  # of the handshake
                    how = type(error).__name__
            self.new[how] += 1
            time.sleep(PACE_SECONDS)

    def _ask_again(self) -> None:
        """One connection, asked on until it ends."""
        with ExitStack() as stack:
            client = self._secured(stack, self._connected(stack))
            usable = True
            while usable and not self._stop.is_set():
                how, usable = self._asked(client)
                self.old[how] += 1
                time.sleep(PACE_SECONDS)

    def _connected(self, stack: ExitStack) -> socket.socket:
        if isinstance(self._address, UnixAddress):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(self._address.path))
        else:
            assert isinstance(self._address, ListenAddress)
            place = self._address.host, self._address.port
            client = stack.enter_context(socket.create_connection(place, 0.5))
        client.settimeout(5)
        return client

    def _secured(self, stack: ExitStack, client: socket.socket) -> socket.socket:
        if self._place.client_tls is None:
            return client
        return stack.enter_context(self._place.client_tls.wrap_socket(client))

    def _asked(self, client: socket.socket) -> tuple[str, bool]:
        """How one request ended, and whether the connection can be asked on."""
        received = b""
        try:
            client.sendall(GET)
            while not received.endswith(b"\r\n\r\nhello\n"):
                if not (part := client.recv(4096)):
                    return ("cut" if received else "ended"), False
                received += part
        except OSError as error:
            return type(error).__name__, False
        return "answered", b"connection: close" not in received


@pytest.mark.parametrize("_", range(2))
async def test_no_request_fails_when_the_end_comes_under_load(place: Place, _: int) -> None:
    """Several hundred a second, half of them on new connections."""
    async with AsyncExitStack() as server:
        bound = await server.enter_async_context(
            serving(busily, place.address, tls=place.server_tls, drain_seconds=2.0)
        )
        hammer = Hammer(place, bound)
        await asyncio.sleep(0.5)
        await server.aclose()
    await asyncio.to_thread(hammer.stop)
    assert hammer.new["answered"] > CLIENTS
    assert hammer.old["answered"] > CLIENTS
    assert set(hammer.new) == {"answered"}, hammer.new
    assert set(hammer.old) <= {"answered", "ended"}, hammer.old


async def test_who_waits_in_the_backlog_is_served(place: Place) -> None:
    """Many connections arrive at once, and the end comes before one of them is accepted."""
    async with AsyncExitStack() as stack:
        connect = await stack.enter_async_context(place.served(2.0))
        clients = [asyncio.create_task(one(connect)) for _ in range(100)]
        await asyncio.sleep(0)  # they connect, and the event loop has not looked
        await stack.aclose()
    assert await asyncio.gather(*clients) == ["answered"] * 100


async def one(connect: Connect) -> str:
    reader, writer = await connect()
    how, usable = await outcome(reader, writer)
    assert not usable
    writer.close()
    return how


async def test_an_idle_connection_has_a_grace_and_then_an_orderly_end(place: Place) -> None:
    async with AsyncExitStack() as stack:
        server = AsyncExitStack()
        connect = await server.enter_async_context(place.served(2.0))
        asking = await stack.enter_async_context(line(connect))
        silent = await stack.enter_async_context(line(connect))
        for each in (asking, silent):
            assert (await each.send(GET)).status == 200
        ending = asyncio.create_task(server.aclose())
        await asyncio.sleep(0.05)
        answer = await asking.send(GET)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await asking.reader.read() == b""
        assert await silent.reader.read() == b"", "an end, and no reset"
        await ending


async def test_requests_sent_at_once_are_all_answered(place: Place) -> None:
    async with AsyncExitStack() as stack:
        server = AsyncExitStack()
        connect = await server.enter_async_context(place.served(2.0))
        client = await stack.enter_async_context(line(connect))
        assert (await client.send(GET)).status == 200
        ending = asyncio.create_task(server.aclose())
        await asyncio.sleep(0.05)
        client.writer.write(GET + GET + GET[:10])
        answers = [await client.send(b""), await client.send(b"")]
        assert ["connection" in answer.headers for answer in answers] == [False, False]
        await asyncio.sleep(0.3)  # longer than the grace of who has asked nothing
        answer = await client.send(GET[10:])
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        await ending


async def test_a_handshake_under_way_ends_and_is_served(tmp_path: Path) -> None:
    """The client's first flight is halfway there when the end comes."""
    place = Place(LOOPBACK, CertificateFiles(*write_pair(tmp_path, "localhost"), 60.0))
    assert place.client_tls is not None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = place.client_tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    first_flight = outgoing.read()
    server = AsyncExitStack()
    bound = await server.enter_async_context(
        serving(hello, LOOPBACK, tls=place.server_tls, drain_seconds=3.0)
    )
    reader, writer = await asyncio.open_connection(bound.host, bound.port)
    writer.write(first_flight[:50])
    await asyncio.sleep(0.05)
    ending = asyncio.create_task(server.aclose())
    await asyncio.sleep(0.4)
    writer.write(first_flight[50:])

    async def through(step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65_536))

    await through(tls.do_handshake)
    tls.write(GET)
    answer = await through(lambda: tls.read(10_000))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    writer.close()
    await ending


@pytest.mark.parametrize("last", [True, False], ids=["last", "kept alive"])
async def test_an_answer_that_is_being_taken_is_taken_whole(place: Place, last: bool) -> None:
    """Megabytes, at the client's pace, while the drain goes on."""
    size = 20_000_000
    async with AsyncExitStack() as stack:
        server = AsyncExitStack()
        bound = await server.enter_async_context(
            serving(
                lambda _: Response(200, (), b"a" * size),
                place.address,
                tls=place.server_tls,
                drain_seconds=5.0,
            )
        )

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            if isinstance(bound, UnixAddress):
                return await asyncio.open_unix_connection(bound.path, limit=1024)
            assert isinstance(bound, ListenAddress)
            return await asyncio.open_connection(
                bound.host, bound.port, ssl=place.client_tls, limit=1024
            )

        client = await stack.enter_async_context(line(connect))
        client.writer.write(GET[:-2] + (b"connection: close\r\n" if last else b"") + b"\r\n")
        await asyncio.sleep(0.05)
        ending = asyncio.create_task(server.aclose())
        await asyncio.sleep(0.8)
        received = 0
        while part := await client.reader.read(100_000):
            received += len(part)
        assert received > size
        client.writer.close()
        await ending


async def test_what_a_refused_client_still_sends_does_not_destroy_the_refusal() -> None:
    async with serving(hello, LOOPBACK) as bound:
        with socket.create_connection((bound.host, bound.port)) as client:
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n"
            await loop.sock_sendall(client, head + b"a" * 70_000)
            await asyncio.sleep(0.1)
            await loop.sock_sendall(client, b"a" * 130_000)
            assert (await loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 413 ")


async def flood(writer: asyncio.StreamWriter) -> None:
    for _ in range(1000):
        writer.write(b"a" * 65_536)
        await writer.drain()


async def test_who_goes_on_sending_after_a_refusal_is_cut_off() -> None:
    async with serving(hello, LOOPBACK) as bound:
        _, writer = await asyncio.open_connection(bound.host, bound.port)
        writer.write(b"nonsense\r\n\r\n")
        with pytest.raises(ConnectionError):
            await flood(writer)
        writer.close()


async def test_no_drain_is_an_end_at_once() -> None:
    async with AsyncExitStack() as stack:
        async with serving(hello, LOOPBACK, drain_seconds=0.0) as bound:
            reader, writer = await asyncio.open_connection(bound.host, bound.port)
            stack.callback(writer.close)
            writer.write(GET[:10])
            await asyncio.sleep(0.05)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""


async def test_more_connections_than_the_limit_are_closed_at_once() -> None:
    limits = Limits(max_connections=2)
    async with AsyncExitStack() as stack, serving(hello, LOOPBACK, limits=limits) as bound:

        def connect() -> Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
            return asyncio.open_connection(bound.host, bound.port)

        first = await stack.enter_async_context(line(connect))
        second = await stack.enter_async_context(line(connect))
        for each in (first, second):
            assert (await each.send(GET)).status == 200
        third = await stack.enter_async_context(line(connect))
        assert await third.closed()
        first.writer.close()
        await first.writer.wait_closed()
        while True:  # until the server has seen that one is gone
            reader, writer = await connect()
            how, _ = await outcome(reader, writer)
            writer.close()
            if how == "answered":
                break
