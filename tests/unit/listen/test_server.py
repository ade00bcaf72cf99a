"""A listener from its bind to its end."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest
from loopback_http import ask, line_to, send

from spire_bridge.listen.address import ListenAddress, ListenFailure, free_address
from spire_bridge.listen.http import ReadOnlyRoutes, Request, Response, text
from spire_bridge.listen.limits import MAX_BODY_BYTES, Limits
from spire_bridge.listen.server import serving

LOOPBACK = ListenAddress("127.0.0.1", 0)
HASTY = Limits(request_seconds=0.2, idle_seconds=0.2)
LARGE = Response(200, (), b"a" * 1_000_000)


def echo(request: Request) -> Response:
    return text(200, f"{request.method} {request.path} {request.headers.get('x', '-')}")


def defective(_: Request) -> Response:
    raise RuntimeError("a defect")


@pytest.fixture
async def address() -> AsyncIterator[ListenAddress]:
    routes = ReadOnlyRoutes(
        {"/": echo, "/a b": echo, "/large": lambda _: LARGE, "/defect": defective}
    )
    async with serving(routes, LOOPBACK) as address:
        yield address


async def test_the_system_chooses_port_0(address: ListenAddress) -> None:
    assert address.port > 0
    assert (await ask(address, "/")).body == b"GET / -\n"


async def test_handlers_see_the_decoded_path_and_lower_case_names(address: ListenAddress) -> None:
    answer = await ask(address, "/a%20b?query=1", headers={"X": "value"})
    assert answer.body == b"GET /a b value\n"


async def test_many_requests_share_a_connection(address: ListenAddress) -> None:
    async with line_to(address) as line:
        for _ in range(20):
            assert (await line.ask("/")).status == 200


async def test_requests_sent_at_once_are_answered_in_order(address: ListenAddress) -> None:
    paths = ["/", "/nowhere", "/a%20b", "/"]
    async with line_to(address) as line:
        for path in paths[:-1]:
            line.writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        answers = [await line.ask(paths[-1])]
        answers += [await line.send(b"") for _ in paths[:-1]]
    assert [answer.status for answer in answers] == [200, 404, 200, 200]


async def test_a_client_that_wants_to_close_is_left(address: ListenAddress) -> None:
    for request in (
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ):
        async with line_to(address) as line:
            answer = await line.send(request)
            assert answer.headers["connection"] == "close"
            assert await line.closed()


async def test_a_body_is_read_past(address: ListenAddress) -> None:
    async with line_to(address) as line:
        post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nGET /"
        assert (await line.send(post)).status == 405
        chunked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nGET /\r\n"
        assert (await line.send(chunked + b"0\r\n\r\n")).status == 405
        assert (await line.ask("/")).status == 200


def send_back(request: Request) -> Response:
    return Response(200, (), request.body)


KEEPING = Limits(keeps_bodies=True)


async def test_a_listener_that_keeps_bodies_has_its_handler_see_them() -> None:
    async with serving(send_back, LOOPBACK, limits=KEEPING) as address, line_to(address) as line:
        post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nGET /"
        assert (await line.send(post)).body == b"GET /"
        assert (await line.ask("/")).body == b""
        chunked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        answer = await line.send(chunked + b"2\r\nto\r\n6\r\ngether\r\n0\r\n\r\n")
        assert answer.body == b"together"


async def test_a_body_is_kept_up_to_the_limit_and_refused_beyond() -> None:
    async with serving(send_back, LOOPBACK, limits=KEEPING) as address:
        for size, status in ((MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)):
            head = f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n".encode()
            answer = await send(address, head + b"a" * size)
            assert answer.status == status
            assert len(answer.body) == size or status == 413


async def test_other_listeners_keep_nothing() -> None:
    async with serving(send_back, LOOPBACK) as address:
        post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nGET /"
        assert (await send(address, post)).body == b""


async def test_a_handlers_defect_is_logged_and_said(
    address: ListenAddress, caplog: pytest.LogCaptureFixture
) -> None:
    async with line_to(address) as line:
        assert (await line.ask("/defect")).body == b"internal server error\n"
        assert (await line.ask("/")).status == 200
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "request was not answered")
    assert record.exc_info


async def test_a_port_in_use_is_an_error_even_between_two_of_ours(address: ListenAddress) -> None:
    with pytest.raises(ListenFailure) as caught:
        async with serving(echo, address):
            pass
    assert caught.value.code == "LISTEN_FAILED"
    assert caught.value.message == f"can't listen on {address}: Address already in use"
    assert (await ask(address, "/")).status == 200


async def test_a_port_in_use_by_another_program_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = ListenAddress("127.0.0.1", other.getsockname()[1])
        with pytest.raises(ListenFailure, match="Address already in use"):
            free_address(taken)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
async def test_an_address_of_another_machine_is_an_error(host: str) -> None:
    with pytest.raises(ListenFailure, match=r"can't listen on .*: Cannot assign requested address"):
        async with serving(echo, ListenAddress(host, 0)):
            pass


async def test_the_port_is_free_again_after_the_end() -> None:
    async with serving(echo, LOOPBACK) as address:
        assert (await ask(address, "/")).status == 200
    with pytest.raises(OSError, match="Connect call failed"):
        await ask(address, "/")
    async with serving(echo, address) as again:
        assert again == address
        assert (await ask(again, "/")).status == 200
    assert free_address(address) == address


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
async def test_ipv6() -> None:
    async with serving(echo, ListenAddress("::1", 0)) as address:
        assert str(address).startswith("[::1]:")
        assert (await ask(address, "/")).status == 200
        with pytest.raises(ListenFailure):
            free_address(address)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this machine")
async def test_every_address_is_of_both_kinds() -> None:
    async with serving(echo, ListenAddress("::", 0)) as address:
        for host in ("::1", "127.0.0.1"):
            assert (await ask(ListenAddress(host, address.port), "/")).status == 200


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for both ends of a thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2500:
        if hard != resource.RLIM_INFINITY and hard < 2500:
            pytest.skip(f"2,500 open files are needed, {hard} are allowed (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (2500, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_idle_connections_block_no_request(address: ListenAddress) -> None:
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line_to(address)) for _ in range(1000)]
        started = time.perf_counter()
        assert (await ask(address, "/")).status == 200
        assert time.perf_counter() - started < 1
        assert (await lines[500].ask("/")).status == 200


@contextmanager
def no_more_files() -> Iterator[None]:
    """Every file descriptor of this process is taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as lowest_free:
        number = lowest_free.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_file_descriptors_connections_wait(
    address: ListenAddress, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        with no_more_files():
            await loop.sock_connect(client, (address.host, address.port))
            while not caplog.records:  # noqa: ASYNC110 - a log record is no event
                await asyncio.sleep(0.01)
        await loop.sock_sendall(client, b"GET / HTTP/1.0\r\n\r\n")
        assert (await loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200 ")
    [record] = caplog.records
    assert record.getMessage() == "connections have to wait"
    assert record.reason == "Too many open files"  # type: ignore[attr-defined]


async def test_who_says_nothing_is_left() -> None:
    async with (
        serving(echo, LOOPBACK, limits=HASTY) as address,
        line_to(address) as silent,
        line_to(address) as done,
        line_to(address) as half,
    ):
        await done.ask("/")
        half.writer.write(b"GET / HTTP/1.1\r\nho")
        assert all(await asyncio.gather(silent.closed(), done.closed(), half.closed()))


@pytest.mark.parametrize("size", [40_000, 390_000])
async def test_a_large_header_is_refused(address: ListenAddress, size: int) -> None:
    request = b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * size + b"\r\n\r\n"
    assert (await send(address, request)).status == 431


async def test_a_header_of_thirty_thousand_bytes_is_taken(address: ListenAddress) -> None:
    assert (await ask(address, "/", headers={"y": "a" * 30_000})).status == 200


async def test_a_client_that_takes_no_answers_gets_no_more(address: ListenAddress) -> None:
    """Thousands of requests in one packet must not become gigabytes of answers."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with line_to(address) as line:
        line.reader._limit = 1024  # or this side would take them all
        line.writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n" * 5_000)
        await asyncio.sleep(0.5)
        assert (await ask(address, "/")).status == 200
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 64 * 1024, "kilobytes"


async def test_trailers_without_end_are_refused(address: ListenAddress) -> None:
    async with line_to(address) as line:
        head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
        assert (await line.send(head + b"x: y\r\n" * 20_000)).status == 413
        assert await line.closed()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HT",
        b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["idle", "kept alive", "half a request", "answer not taken"],
)
async def test_the_end_comes_whatever_clients_do(sent: bytes) -> None:
    routes = ReadOnlyRoutes({"/": echo, "/large": lambda _: Response(200, (), b"a" * 50_000_000)})
    async with AsyncExitStack() as stack:
        async with serving(routes, LOOPBACK) as address:
            lines = [await stack.enter_async_context(line_to(address)) for _ in range(5)]
            for line in lines:
                line.writer.write(sent)
            await asyncio.sleep(0.1)
            started = time.perf_counter()
        assert time.perf_counter() - started < 0.9
        assert all(await asyncio.gather(*(line.closed() for line in lines)))


async def test_a_request_that_arrives_in_the_end_is_answered() -> None:
    async with AsyncExitStack() as stack:
        server = AsyncExitStack()
        address = await server.enter_async_context(serving(echo, LOOPBACK))
        line = await stack.enter_async_context(line_to(address))
        line.writer.write(b"GET / HTTP/1.1\r\n")
        await asyncio.sleep(0.1)
        ending = asyncio.create_task(server.aclose())
        await asyncio.sleep(0.1)
        answer = await line.send(b"host: x\r\n\r\n")
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        await ending
