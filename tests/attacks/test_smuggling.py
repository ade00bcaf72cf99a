"""Requests that two readers could understand differently: one answer, and a closed connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import ReadOnlyRoutes, Request, Response
from spire_bridge.listen.limits import Limits
from spire_bridge.listen.request_reader import MAX_BODY_BYTES
from spire_bridge.listen.server import serving

MAX_HEAD_BYTES = Limits().max_head_bytes

HEAD = b"GET /keys HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /keys HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED = {
    "bare LF": b"GET /keys HTTP/1.1\nHost: x\n\n",
    "bare LF after a header": b"GET /keys HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "bare CR in a value": HEAD + b"X: b\rc\r\n\r\n",
    "NUL in a value": HEAD + b"X: b\0c\r\n\r\n",
    "folded header": HEAD + b"X: b\r\n c\r\n\r\n",
    "space before the colon": b"GET /keys HTTP/1.1\r\nHost : x\r\n\r\n",
    "length beside chunked": POST
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked beside length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "the same length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "another coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "coding named twice": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "vertical tab before the coding": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /keys HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size with a space": POST + b"Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
    "chunks with bare LF": POST + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
    "LF in a chunk extension": POST
    + b"Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
    "no Host": b"GET /keys HTTP/1.1\r\n\r\n",
    "two Hosts": HEAD + b"Host: y\r\n\r\n",
    "method in lower case": b"get /keys HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /keys\r\n\r\n",
    "HTTP/2.0": b"GET /keys HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100a1010000"),
    "target that is no UTF-8": b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n",
}


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
