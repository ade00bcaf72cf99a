"""Clients that pretend to be a proxy, and clients that speak through one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from loopback_http import send

from spire_bridge.listen.address import ListenAddress, UnixAddress
from spire_bridge.listen.forwarded import TrustedProxies
from spire_bridge.listen.http import Handler, Request, Response
from spire_bridge.listen.server import serving

LOOPBACK = ListenAddress("127.0.0.1", 0)

SPOOFED = [
    b"X-Forwarded-Host: evil.example",
    b"x-forwarded-host: evil.example, real.example, evil.example",
    b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Host: evil.example",
    b"Forwarded: host=evil.example",
    b'Forwarded: for="[::1]";host="evil.example";proto=https',
    b"Forwarded: host=evil.example\r\nX-Forwarded-Host: evil.example",
    b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: evil.example",
    b"X-Real-IP: 10.0.0.1\r\nX-Forwarded-Host: evil.example",
    b"Via: 1.1 10.0.0.1\r\nX-Forwarded-Host: evil.example",
    b"X-Host: evil.example\r\nX-Original-Host: evil.example\r\nX-Forwarded-Server: evil.example",
    b"X_Forwarded_Host: evil.example",
    b"Connection: x-forwarded-host\r\nX-Forwarded-Host: evil.example",
    b"Transfer-Encoding: chunked\r\nTrailer: Host",
]


def hosts(proxies: TrustedProxies) -> Handler:
    def handle(request: Request) -> Response:
        return Response(200, (), proxies.effective_host(request).encode())

    return handle


@pytest.fixture
async def stranger() -> AsyncIterator[ListenAddress]:
    """A listener that trusts others than this machine."""
    proxies = TrustedProxies.parse(["10.0.0.0/8", "127.0.0.2", "::1", "unix"])
    async with serving(hosts(proxies), LOOPBACK) as address:
        yield address


@pytest.fixture
async def behind_a_proxy() -> AsyncIterator[ListenAddress]:
    async with serving(hosts(TrustedProxies.parse(["127.0.0.1"])), LOOPBACK) as address:
        yield address


def get(lines: bytes, target: bytes = b"/") -> bytes:
    end = b"\r\n\r\n"
    if b"chunked" in lines:
        end += b"0\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\r\n"
    return b"GET " + target + b" HTTP/1.1\r\nHost: real.example\r\n" + lines + end


@pytest.mark.parametrize("lines", SPOOFED)
async def test_a_stranger_has_no_say(stranger: ListenAddress, lines: bytes) -> None:
    answer = await send(stranger, get(lines))
    assert (answer.status, answer.body) == (200, b"real.example")
    absolute = await send(stranger, get(lines, b"http://asked.example/"))
    assert (absolute.status, absolute.body) == (200, b"asked.example")


@pytest.mark.parametrize(
    "lines",
    [
        # What the client sends comes first; then the proxy's own.
        b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Host: asked.example",
        b"Forwarded: host=evil.example\r\nForwarded: host=asked.example",
        b"Forwarded: host=evil.example\r\nX-Forwarded-Host: asked.example",
        b"X-Forwarded-Host: evil.example\r\nForwarded: host=asked.example",
        b'Forwarded: host=evil.example;x=", host=asked.example',
        b'Forwarded: host=evil.example;x=", for="[::1]";host=asked.example',
        b"X-Forwarded-Host: evil.example,",
    ],
)
async def test_a_client_behind_a_proxy_can_at_most_undo_the_proxys_word(
    behind_a_proxy: ListenAddress, lines: bytes
) -> None:
    assert (await send(behind_a_proxy, get(lines))).body == b"real.example"


@pytest.mark.parametrize(
    "lines",
    [
        b"X-Forwarded-Host: asked.example",
        b"X-Forwarded-Host: evil.example, asked.example",
        b"Forwarded: host=evil.example, for=_x;host=asked.example",
    ],
)
async def test_the_proxy_itself_is_believed(behind_a_proxy: ListenAddress, lines: bytes) -> None:
    assert (await send(behind_a_proxy, get(lines))).body == b"asked.example"


async def test_ipv4_over_an_ipv6_socket_is_ipv4() -> None:
    """Or a network of IPv4 addresses would match nobody there."""
    peers: list[str] = []

    def handle(request: Request) -> Response:
        peers.append(request.peer)
        return Response(204)

    async with serving(handle, ListenAddress("::", 0)) as address:
        await send(ListenAddress("127.0.0.1", address.port), get(b"a: b"))
        await send(ListenAddress("::1", address.port), get(b"a: b"))
    assert peers == ["127.0.0.1", "::1"]


async def test_unix_is_a_word_of_its_own(tmp_path: Path) -> None:
    for words, host in ((["unix"], b"asked.example"), (["0.0.0.0/0", "::/0"], b"real.example")):
        place = UnixAddress(tmp_path / "socket")
        async with serving(hosts(TrustedProxies.parse(words)), place):
            reader, writer = await asyncio.open_unix_connection(place.path)
            writer.write(get(b"X-Forwarded-Host: asked.example\r\nConnection: close"))
            assert (await reader.read()).endswith(b"\r\n\r\n" + host)
            writer.close()
