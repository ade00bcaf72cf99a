"""Requests that two readers could understand differently: one answer, and a closed connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hostile_requests import HEAD, POST, REFUSED, SMUGGLED

from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import ReadOnlyRoutes, Request, Response
from spire_bridge.listen.limits import MAX_BODY_BYTES, Limits
from spire_bridge.listen.server import serving

MAX_HEAD_BYTES = Limits().max_head_bytes


@pytest.fixture
def asked() -> list[str]:
    """The paths that reached the handler."""
    return []


@pytest.fixture
async def address(asked: list[str]) -> AsyncIterator[ListenAddress]:
    def keys(request: Request) -> Response:
        return Response(200, (("content-type", "application/json"),), b"{}")

    routes = ReadOnlyRoutes({"/keys": keys, "/smuggled": keys})

    def handler(request: Request) -> Response:
        asked.append(request.path)
        return routes(request)

    async with serving(handler, ListenAddress("127.0.0.1", 0)) as serving_at:
        yield serving_at


async def exchange(address: ListenAddress, data: bytes) -> bytes:
    """Everything that the server sends until it closes the connection."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(data)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
async def test_refused_once_and_closed(
    address: ListenAddress, asked: list[str], data: bytes
) -> None:
    answer = await exchange(address, data + SMUGGLED)

    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 "))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close\r\n" in answer
    assert "/smuggled" not in asked


async def test_what_was_asked_before_is_answered_before(
    address: ListenAddress, asked: list[str]
) -> None:
    answer = await exchange(address, HEAD + b"\r\n" + REFUSED["two lengths"] + SMUGGLED)

    assert [line.split()[1] for line in answer.split(b"\r\n") if b"HTTP/1.1" in line] == [
        b"200",
        b"400",
    ]
    assert asked == ["/keys"]


async def test_an_upgrade_is_answered_and_ends_the_connection(
    address: ListenAddress, asked: list[str]
) -> None:
    upgrade = (
        HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n"
    )

    answer = await exchange(address, upgrade + SMUGGLED)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert asked == ["/keys"]


async def test_a_body_is_no_request(address: ListenAddress, asked: list[str]) -> None:
    length = str(len(SMUGGLED)).encode()

    await exchange(
        address,
        POST + b"Connection: close\r\nContent-Length: " + length + b"\r\n\r\n" + SMUGGLED,
    )

    assert asked == ["/keys"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEAD + b"X: " + b"a" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n", b"431"),
        (HEAD + b"X: " + b"a" * (3 * MAX_HEAD_BYTES), b"431"),
        (HEAD + b"X: y\r\n" * (MAX_HEAD_BYTES // 2) + b"\r\n", b"431"),
        (b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
        (
            POST
            + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)
            + b"a" * MAX_BODY_BYTES
            + b"a",
            b"413",
        ),
    ],
    ids=["header", "endless header", "many headers", "target", "body"],
)
async def test_too_much_is_refused(
    address: ListenAddress, asked: list[str], data: bytes, status: bytes
) -> None:
    assert (await exchange(address, data)).startswith(b"HTTP/1.1 " + status)
    assert asked == []


async def test_half_a_request_is_not_waited_for_for_ever() -> None:
    hasty = Limits(request_seconds=0.1)
    async with serving(ReadOnlyRoutes({}), ListenAddress("127.0.0.1", 0), limits=hasty) as address:
        assert await exchange(address, HEAD) == b""
