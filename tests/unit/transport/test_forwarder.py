"""The forwarder byte by byte: both ways, ends, refusals with their reasons, nothing left behind."""

# ruff: noqa: ASYNC240 — a test may look at its own small files

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import stat
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from spiffe_authority import HOME, Domain, TlsServer, server_context, tls_server

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.transport.forwarder import Forwarder
from spire_bridge.transport.rpc_errors import (
    PeerNotTrusted,
    PeerUnreachable,
    PermissionDenied,
    RpcError,
    TlsFailed,
)
from spire_bridge.transport.tls import TlsCredentials, exactly, spiffe_context

SERVER, WEB = "spiffe://example.org/spire/server", "spiffe://example.org/web"
MIB = 1 << 20
Credentials = Callable[[], TlsCredentials]


@pytest.fixture
def domain() -> Domain:
    return Domain()


@pytest.fixture(autouse=True)
async def nothing_is_left(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,  # pytest makes its own folder before we change where such are made
) -> AsyncIterator[None]:
    """Fails a test that leaves a task, a socket of this process, a file or a complaint behind."""
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        tasks, sockets = asyncio.all_tasks(), open_sockets()
        yield
        await until(lambda: asyncio.all_tasks() <= tasks | {asyncio.current_task()})
        await until(lambda: open_sockets() <= sockets)
        assert not list(Path(folder).iterdir())
    assert [
        r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.WARNING
    ] == []


def open_sockets() -> set[str]:
    """The sockets of this process, by their inodes."""
    links = set()
    for entry in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        with contextlib.suppress(OSError):
            links.add(os.readlink(entry))  # noqa: PTH115 — it is no path
    return {link for link in links if link.startswith("socket:")}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 — there is nothing to wait on
            await asyncio.sleep(0.005)


def forwarder(
    port: int, credentials: Credentials, *, host: str = "127.0.0.1", **options: Any
) -> Forwarder:
    context = spiffe_context(credentials, authorize=exactly(SERVER), alpn=("h2",))
    return Forwarder(host, port, context, program="server", **options)


def trusting(domain: Domain) -> Credentials:
    return lambda: TlsCredentials(None, domain.bundle)


@asynccontextmanager
async def connected(
    to: Forwarder,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    path = to.target.removeprefix("unix:")
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def refusal(to: Forwarder) -> RpcError:
    """What a connection that is closed at once was refused for."""
    async with connected(to) as (reader, _):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    assert to.last_error is not None
    assert "\n" not in to.last_error.message
    return to.last_error


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()


async def test_it_forwards_both_ways(domain: Domain) -> None:
    sent = os.urandom(8 * MIB)
    async with (
        tls_server(domain.svid(SERVER), echo) as server,
        forwarder(server.port, trusting(domain)) as to,
        connected(to) as (reader, writer),
    ):
        writer.write(sent)
        assert await reader.readexactly(len(sent)) == sent
        assert to.last_error is None
        assert server.peers == [None]


async def test_it_takes_no_more_than_the_server_takes(domain: Domain) -> None:
    reads = asyncio.Event()
    size = 64 * MIB

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reads.wait()
        for _ in range(size // MIB):
            await reader.readexactly(MIB)
        writer.write(b"all")

    async with (
        tls_server(domain.svid(SERVER), slow) as server,
        forwarder(server.port, trusting(domain)) as to,
        connected(to) as (reader, writer),
    ):
        writer.write(bytes(size))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 1)
        reads.set()
        assert await reader.read() == b"all"


async def test_what_a_server_sent_before_it_ended_arrives(domain: Domain) -> None:
    sent = os.urandom(MIB)

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)

    async with (
        tls_server(domain.svid(SERVER), say) as server,
        forwarder(server.port, trusting(domain)) as to,
        connected(to) as (reader, _),
    ):
        assert await reader.read() == sent
        assert to.last_error is None


async def test_what_a_client_sent_before_it_ended_arrives(domain: Domain) -> None:
    sent = os.urandom(MIB)
    async with (
        tls_server(domain.svid(SERVER)) as server,
        forwarder(server.port, trusting(domain)) as to,
        connected(to) as (reader, writer),
    ):
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == b""  # its end is passed on as one of the whole connection
        await until(lambda: not server.connections)
        assert server.received == sent


async def test_a_server_that_cuts_the_connection_cuts_it_here(domain: Domain) -> None:
    async with (
        tls_server(domain.svid(SERVER)) as server,
        forwarder(server.port, trusting(domain)) as to,
    ):
        async with connected(to) as (reader, writer):
            writer.write(b"request")
            await until(lambda: bytes(server.received) == b"request")
            server.cut()
            assert await reader.read() == b""
        async with connected(to) as (_, writer):
            writer.write(b", again")
            await until(lambda: bytes(server.received) == b"request, again")


async def test_a_hundred_connections_at_once(domain: Domain) -> None:
    async with (
        tls_server(domain.svid(SERVER), echo) as server,
        forwarder(server.port, trusting(domain), connect_seconds=30) as to,
    ):

        async def talk(number: int) -> None:
            word = str(number).encode() * 1000
            async with connected(to) as (reader, writer):
                writer.write(word)
                assert await reader.readexactly(len(word)) == word

        await asyncio.gather(*map(talk, range(100)))


async def test_an_svid_is_presented_and_its_successor_next_time(domain: Domain) -> None:
    held = [domain.svid(WEB)]
    async with (
        tls_server(domain.svid(SERVER), echo, clients=domain.bundle) as server,
        forwarder(server.port, lambda: TlsCredentials(held[-1], domain.bundle)) as to,
    ):
        for _ in range(2):
            async with connected(to) as (reader, writer):
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
            held.append(domain.svid(WEB))
    assert server.peers == [svid.leaf.public_bytes(Encoding.DER) for svid in held[:2]]


async def test_a_server_that_wants_a_certificate_says_so(domain: Domain) -> None:
    """In TLS 1.3 it does when the client believes the handshake to be over."""
    context = server_context(domain.svid(SERVER), domain.bundle)

    def accept(listener: socket.socket) -> None:  # asyncio's own servers send no alert
        connection, _ = listener.accept()
        with connection, contextlib.suppress(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        accepting = asyncio.create_task(asyncio.to_thread(accept, listener))
        async with forwarder(listener.getsockname()[1], trusting(domain)) as to:
            error = await refusal(to)
        await accepting
    assert type(error) is TlsFailed
    assert "certificate required" in error.message


async def test_the_roots_are_those_of_the_moment(domain: Domain) -> None:
    bundles = [domain.bundle]
    async with (
        tls_server(domain.svid(SERVER), echo) as server,
        forwarder(server.port, lambda: TlsCredentials(None, bundles[-1])) as to,
    ):
        async with connected(to) as (reader, writer):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            bundles.append(Domain().bundle)
            writer.write(b"y")  # what stands goes on
            assert await reader.readexactly(1) == b"y"
        assert type(await refusal(to)) is PeerNotTrusted
        bundles.append(domain.bundle)
        async with connected(to) as (reader, writer):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
        assert to.last_error is None


async def test_a_server_that_is_not_there_and_comes_back(domain: Domain) -> None:
    server = TlsServer(domain.svid(SERVER), echo)
    await server.start()
    await server.stop()
    async with forwarder(server.port, trusting(domain)) as to:
        error = await refusal(to)
        assert type(error) is PeerUnreachable
        assert f"127.0.0.1:{server.port}" in error.message
        assert error.hint
        await server.start()
        async with connected(to) as (reader, writer):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
        assert to.last_error is None
        await server.stop()


async def test_a_name_that_nobody_has(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    async with forwarder(8081, trusting(domain), host="spire.test") as to:
        error = await refusal(to)
    assert type(error) is PeerUnreachable
    assert "spire.test:8081" in error.message
    assert "Name or service not known" in error.message


async def test_a_server_that_never_shakes_hands(domain: Domain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with forwarder(port, trusting(domain), connect_seconds=0.1) as to:
            error = await refusal(to)
    assert type(error) is PeerUnreachable
    assert "within 0.1 s" in error.message


async def test_a_server_without_tls(domain: Domain) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server, forwarder(server.sockets[0].getsockname()[1], trusting(domain)) as to:
        error = await refusal(to)
    assert type(error) is TlsFailed
    assert "wrong version number" in error.message


class NoBundle(BridgeError):
    code = "NO_BUNDLE"


@pytest.mark.parametrize(
    ("error", "kind"),
    [(PermissionDenied("no identity"), PermissionDenied), (NoBundle("x"), TlsFailed)],
)
async def test_without_credentials_the_reason_is_theirs(
    domain: Domain, error: BridgeError, kind: type[RpcError]
) -> None:
    def refuse() -> TlsCredentials:
        raise error

    async with (
        tls_server(domain.svid(SERVER)) as server,
        forwarder(server.port, refuse) as to,
    ):
        told = await refusal(to)
        assert type(told) is kind
        assert error.message in told.message
        assert not server.received


async def test_the_socket_is_for_this_user_alone_and_gone_in_the_end(domain: Domain) -> None:
    to = forwarder(1, trusting(domain))
    async with to:
        path = Path(to.target.removeprefix("unix:"))
        assert path.is_socket()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.parent.exists()


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the system tells no peer")
async def test_another_user_is_not_forwarded(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        tls_server(domain.svid(SERVER), echo) as server,
        forwarder(server.port, trusting(domain)) as to,
    ):
        user = os.geteuid()
        monkeypatch.setattr("spire_bridge.transport.forwarder.os.geteuid", lambda: user + 1)
        async with connected(to) as (reader, _):
            assert await reader.read() == b""
        assert server.peers == []


async def test_a_connection_that_the_server_never_ends_is_ended(domain: Domain) -> None:
    """Or whoever held it when an authority was revoked could hold it for ever."""
    async with (
        tls_server(domain.svid(SERVER), echo) as server,
        forwarder(server.port, trusting(domain), max_age_seconds=0.2) as to,
    ):
        for _ in range(2):
            async with connected(to) as (reader, writer):
                writer.write(b"x")
                assert await reader.read() == b"x"
        assert len(server.peers) == 2
        assert to.last_error is None


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such option")
async def test_the_kernel_gives_up_a_silent_peer(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []
    open_connection = asyncio.open_connection

    async def remembered(*args: Any, **options: Any) -> Any:
        reader, writer = await open_connection(*args, **options)
        opened.append(writer.get_extra_info("socket"))
        return reader, writer

    monkeypatch.setattr(asyncio, "open_connection", remembered)
    async with (
        tls_server(domain.svid(SERVER), echo) as server,
        forwarder(server.port, trusting(domain)) as to,
        connected(to) as (reader, writer),
    ):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        (connection,) = opened
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000


async def test_leaving_ends_what_is_open(domain: Domain) -> None:
    """Also while it is still connecting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(tls_server(domain.svid(SERVER), echo))
            async with (
                forwarder(server.port, trusting(domain)) as to,
                forwarder(silent.getsockname()[1], trusting(domain)) as waiting,
            ):
                reader, writer = await stack.enter_async_context(connected(to))
                stuck, _ = await stack.enter_async_context(connected(waiting))
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                silent.settimeout(5)
                connection, _ = await asyncio.to_thread(silent.accept)
                connection.close()
            assert await reader.read() == await stuck.read() == b""


async def test_cancelling_its_user_leaves_nothing(domain: Domain) -> None:
    entered = asyncio.Event()

    async def use(port: int) -> None:
        async with forwarder(port, trusting(domain)) as to, connected(to) as (reader, writer):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            entered.set()
            await reader.read()

    async with tls_server(domain.svid(SERVER), echo) as server:
        task = asyncio.create_task(use(server.port))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("folder", ["not/there", "l" * 120])
async def test_no_place_for_a_socket(
    domain: Domain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
) -> None:
    (tmp_path / ("l" * 120)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / folder))
    with pytest.raises(FileFailure, match="no socket can be made in") as caught:
        async with forwarder(1, trusting(domain)):
            pass
    assert "TMPDIR" in (caught.value.hint or "")


async def test_an_ipv6_address_is_named_in_brackets() -> None:
    def empty() -> TlsCredentials:
        return TlsCredentials(None, X509Bundle(HOME))

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with forwarder(port, empty, host="::1") as to:
        assert f"[::1]:{port}" in (await refusal(to)).message


async def test_an_empty_bundle_trusts_no_server(domain: Domain) -> None:
    async with (
        tls_server(domain.svid(SERVER)) as server,
        forwarder(server.port, lambda: TlsCredentials(None, X509Bundle(HOME))) as to,
    ):
        assert type(await refusal(to)) is PeerNotTrusted
