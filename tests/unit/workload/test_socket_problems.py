"""Each way in which an address leads to no agent: its code, its exit status, in time."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from unprivileged import as_nobody

from spire_bridge.errors import EXIT_UNAVAILABLE, EXIT_USAGE
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.workload import Workload
from spire_bridge.transport.rpc_errors import (
    DeadlineExceeded,
    NotASocket,
    RpcError,
    SocketForbidden,
    SocketMissing,
    Unavailable,
)
from spire_bridge.workload.client import WorkloadClient

TIMEOUT = 0.5


async def failure(address: str, *, timeout: float = TIMEOUT) -> RpcError:  # noqa: ASYNC109
    """What both kinds of call end with, within their deadline."""
    start = time.monotonic()
    async with WorkloadClient(address, timeout=timeout) as client:
        with pytest.raises(RpcError) as of_call:
            await client.fetch_jwt_svids("db")
        with pytest.raises(RpcError) as of_stream:
            await client.fetch_jwt_bundles()
    assert time.monotonic() - start < 2 * timeout + 1
    assert type(of_call.value) is type(of_stream.value)
    assert "\n" not in of_call.value.message
    assert of_call.value.hint
    return of_call.value


def assert_is(error: RpcError, kind: type[Unavailable], code: str, status: int) -> None:
    assert type(error) is kind
    assert (error.code, error.exit_status) == (code, status)


@asynccontextmanager
async def unix_server(
    path: Path, serve: Callable[[asyncio.StreamWriter], None]
) -> AsyncIterator[None]:
    writers = []

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        serve(writer)

    async with await asyncio.start_unix_server(connected, path):
        yield
        for writer in writers:
            writer.close()


async def test_no_socket(socket_dir: Path) -> None:
    error = await failure(f"unix://{socket_dir}/none")
    assert_is(error, SocketMissing, "SOCKET_MISSING", EXIT_UNAVAILABLE)
    assert str(socket_dir / "none") in error.message


async def test_no_folder(socket_dir: Path) -> None:
    assert_is(
        await failure(f"unix://{socket_dir}/no/such"),
        SocketMissing,
        "SOCKET_MISSING",
        EXIT_UNAVAILABLE,
    )


async def test_a_percent_encoded_name_is_looked_for_decoded(socket_dir: Path) -> None:
    (socket_dir / "a b").write_bytes(b"")
    assert isinstance(await failure(f"unix://{socket_dir}/a%20b"), NotASocket)


async def test_a_regular_file(socket_dir: Path) -> None:
    (socket_dir / "file").write_bytes(b"")
    error = await failure(f"unix://{socket_dir}/file")
    assert_is(error, NotASocket, "SOCKET_WRONG_TYPE", EXIT_USAGE)


async def test_a_folder(socket_dir: Path) -> None:
    error = await failure(f"unix://{socket_dir}")
    assert_is(error, NotASocket, "SOCKET_WRONG_TYPE", EXIT_USAGE)


async def test_a_socket_without_permission(socket_dir: Path) -> None:
    async with unix_server(socket_dir / "s", lambda writer: writer.close()):
        (socket_dir / "s").chmod(0o444)  # connecting takes the right to write
        with as_nobody():
            error = await failure(f"unix://{socket_dir}/s")
    assert_is(error, SocketForbidden, "SOCKET_FORBIDDEN", EXIT_USAGE)


async def test_a_socket_that_may_only_be_written_is_not_called_forbidden(socket_dir: Path) -> None:
    async with unix_server(socket_dir / "s", lambda writer: writer.close()):
        (socket_dir / "s").chmod(0o222)
        with as_nobody():
            error = await failure(f"unix://{socket_dir}/s")
    assert_is(error, Unavailable, "UNAVAILABLE", EXIT_UNAVAILABLE)


async def test_a_socket_in_a_folder_without_permission(socket_dir: Path) -> None:
    folder = socket_dir / "private"
    folder.mkdir()
    async with unix_server(folder / "s", lambda writer: writer.close()):
        folder.chmod(0o600)
        with as_nobody():
            error = await failure(f"unix://{folder}/s")
    assert_is(error, SocketForbidden, "SOCKET_FORBIDDEN", EXIT_USAGE)


async def test_a_socket_left_behind(socket_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_dir / "s"))
        listener.listen()
    error = await failure(f"unix://{socket_dir}/s")
    assert_is(error, Unavailable, "UNAVAILABLE", EXIT_UNAVAILABLE)
    assert error.hint == "is the agent running?"


async def test_a_listener_that_never_accepts(socket_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_dir / "s"))
        listener.listen()
        error = await failure(f"unix://{socket_dir}/s")
    assert_is(error, DeadlineExceeded, "DEADLINE_EXCEEDED", EXIT_UNAVAILABLE)


async def test_a_listener_that_never_answers(socket_dir: Path) -> None:
    async with unix_server(socket_dir / "s", lambda _: None):
        error = await failure(f"unix://{socket_dir}/s")
    assert_is(error, DeadlineExceeded, "DEADLINE_EXCEEDED", EXIT_UNAVAILABLE)


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"\x00\xff" * 2048, b"\n"],
    ids=["http1", "bytes", "newline"],
)
async def test_a_listener_that_speaks_something_else(socket_dir: Path, garbage: bytes) -> None:
    def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)
        writer.close()

    async with unix_server(socket_dir / "s", serve):
        error = await failure(f"unix://{socket_dir}/s")
    assert_is(error, Unavailable, "UNAVAILABLE", EXIT_UNAVAILABLE)


async def test_a_listener_that_hangs_up(socket_dir: Path) -> None:
    async with unix_server(socket_dir / "s", lambda writer: writer.close()):
        error = await failure(f"unix://{socket_dir}/s")
    assert_is(error, Unavailable, "UNAVAILABLE", EXIT_UNAVAILABLE)


async def test_a_closed_tcp_port() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        error = await failure(f"tcp://127.0.0.1:{reserved.getsockname()[1]}")
    assert_is(error, Unavailable, "UNAVAILABLE", EXIT_UNAVAILABLE)


async def test_an_agent_may_take_its_time_to_answer_a_connection(
    socket_dir: Path, workload: Workload
) -> None:
    """A busy machine: gRPC's own limit for a connection must not be shorter than ours."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    relays = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.8)
        back, forth = await asyncio.open_unix_connection(workload.socket_path)
        relays.append((writer, forth))
        await asyncio.gather(forward(reader, forth), forward(back, writer))

    async with await asyncio.start_unix_server(relay, socket_dir / "s"):
        async with WorkloadClient(f"unix://{socket_dir}/s", timeout=5.0) as client:
            assert await client.fetch_jwt_svids("db")
        await asyncio.sleep(0.05)
        for pair in relays:
            for writer in pair:
                writer.close()


async def test_names_that_need_percent_encoding_are_reached(
    cluster: Cluster, socket_dir: Path
) -> None:
    workload = await cluster.add_workload("encoded", Entry("spiffe://example.org/encoded"))
    link = socket_dir / "a b%é"
    link.symlink_to(workload.socket_path)
    async with WorkloadClient(f"unix://{socket_dir}/a%20b%25%C3%A9") as client:
        assert await client.fetch_jwt_svids("db")
