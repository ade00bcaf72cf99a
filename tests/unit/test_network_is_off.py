"""The guard that every unit test runs behind."""

from __future__ import annotations

import asyncio
import socket
import tempfile

import pytest

REFUSED = pytest.fail.Exception
ELSEWHERE = "192.0.2.1"  # reserved for documentation: RFC 5737


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_a_socket_reaches_no_other_machine(call: str) -> None:
    with socket.socket() as client, pytest.raises(REFUSED, match="reached for the network"):
        getattr(client, call)((ELSEWHERE, 443))


@pytest.mark.parametrize("call", ["gethostbyname", "gethostbyname_ex"])
def test_no_name_is_looked_up(call: str) -> None:
    with pytest.raises(REFUSED, match=r"example\.org"):
        getattr(socket, call)("example.org")


@pytest.mark.parametrize("host", ["example.org", ELSEWHERE])
async def test_asyncio_reaches_no_other_machine(host: str) -> None:
    with pytest.raises(REFUSED):
        await asyncio.open_connection(host, 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_is_reached(host: str) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(host, server.sockets[0].getsockname()[1])
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def test_a_unix_socket_is_reached() -> None:
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        path = f"{folder}/s"
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(path)
            server.listen()
            client.connect(path)
            assert client.getpeername() == path
