"""Channels: each with a connection of its own, back soon after its endpoint is."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from spire_bridge.transport.channel import open_local_channel


@pytest.fixture
def socket_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        yield Path(name) / "s"


@asynccontextmanager
async def server(target: str) -> AsyncIterator[int]:
    """Echoes its caller's address; yields its port."""

    async def peer(_: bytes, context: Any) -> bytes:
        return str(context.peer()).encode()

    handler = grpc.method_handlers_generic_handler(
        "Test", {"Peer": grpc.unary_unary_rpc_method_handler(peer)}
    )
    grpc_server = grpc.aio.server()
    grpc_server.add_generic_rpc_handlers((handler,))
    port = grpc_server.add_insecure_port(target)
    await grpc_server.start()
    yield port
    await grpc_server.stop(None)


async def peer(channel: grpc.aio.Channel) -> str:
    answer: bytes = await channel.unary_unary("/Test/Peer")(b"", timeout=5)
    return answer.decode()


async def test_unix_and_tcp(socket_path: Path) -> None:
    async with server(f"unix:{socket_path}"), open_local_channel(f"unix:{socket_path}") as channel:
        assert (await peer(channel)).startswith("unix:")
    async with server("127.0.0.1:0") as port, open_local_channel(f"ipv4:127.0.0.1:{port}") as c:
        assert "127.0.0.1" in await peer(c)


async def test_each_channel_has_its_own_connection() -> None:
    async with server("127.0.0.1:0") as port, AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(open_local_channel(f"ipv4:127.0.0.1:{port}"))
            for _ in range(3)
        ]
        assert len({await peer(channel) for channel in channels}) == 3


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "grpc_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with server("127.0.0.1:0") as port, open_local_channel(f"ipv4:127.0.0.1:{port}") as c:
        assert await peer(c)


async def test_an_endpoint_that_is_back_is_reached_within_a_second(socket_path: Path) -> None:
    async with open_local_channel(f"unix:{socket_path}") as channel:
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError):
                await peer(channel)
            await asyncio.sleep(0.2)
        async with server(f"unix:{socket_path}"):
            start = time.monotonic()
            while True:
                try:
                    await peer(channel)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.02)
                else:
                    break
            assert time.monotonic() - start < 1.5
