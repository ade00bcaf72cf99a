"""The X.509 source, and TLS between two workloads that use it."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import HTTPSHandler, build_opener

import pytest

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import SpiffeId, TrustDomain
from spire_bridge.transport.rpc_errors import PermissionDenied, Unavailable, UnexpectedAnswer
from spire_bridge.transport.tls import any_member, exactly
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.errors import HintNotFound
from spire_bridge.workload.x509_source import X509Source

HOME, PARTNER = TrustDomain("example.org"), TrustDomain("partner.example")
WEB, DB = "spiffe://example.org/web", "spiffe://example.org/db"
Eventually = Callable[..., Awaitable[Any]]


@asynccontextmanager
async def source_of(workload: Workload, **options: Any) -> AsyncIterator[X509Source]:
    async with (
        WorkloadClient(workload.address, timeout=5.0) as client,
        X509Source(client, **options) as source,
    ):
        yield source


@pytest.fixture
async def web(cluster: Cluster) -> Workload:
    return await cluster.add_workload("web", Entry(WEB))


@pytest.fixture
async def db(cluster: Cluster) -> Workload:
    return await cluster.add_workload("db", Entry(DB))


async def test_the_svid_and_its_bundle(web: Workload, tasks_left: None) -> None:
    async with source_of(web) as source:
        assert str(source.svid.spiffe_id) == WEB
        assert source.bundle().trust_domain == HOME
        assert source.bundle(HOME) is source.bundle()
        assert source.state.connected
        with pytest.raises(UnexpectedAnswer, match="no bundle for trust domain partner"):
            source.bundle(PARTNER)


async def test_a_hint_chooses_among_identities(cluster: Cluster) -> None:
    workload = await cluster.add_workload("two", Entry(WEB, hint="internal"), Entry(DB, hint="ext"))
    async with source_of(workload) as source:
        assert str(source.svid.spiffe_id) == WEB
    async with source_of(workload, hint="ext") as source:
        assert str(source.svid.spiffe_id) == DB
        workload.deregister(DB)
        await asyncio.wait_for(source.changed(), 5)
        with pytest.raises(HintNotFound):
            _ = source.svid


async def test_rotation(sandbox: SandboxTrustDomain, web: Workload, eventually: Eventually) -> None:
    async with source_of(web) as source:
        before = source.svid
        old = sandbox.x509.current
        assert old is not None
        sandbox.x509.prepare()
        sandbox.x509.activate()
        await eventually(lambda: len(source.bundle().authorities) == 2)
        sandbox.x509.taint(old.key_id)
        await eventually(lambda: source.svid != before)
        sandbox.x509.revoke(old.key_id)
        await eventually(lambda: len(source.bundle().authorities) == 1)
        assert source.svid.spiffe_id == before.spiffe_id


async def test_an_expired_svid_is_not_given(web: Workload, cluster: Cluster, clock: Any) -> None:
    clock.now = time.time()
    async with source_of(web, clock=clock) as source:
        await cluster.stop()
        clock.now = source.svid.expires_at.timestamp() - 1
        assert source.svid
        clock.advance(1)
        with pytest.raises(Unavailable, match="has expired"):
            _ = source.svid


async def test_a_denied_svid_is_dropped_and_an_unavailable_agent_drops_nothing(
    web: Workload, eventually: Eventually
) -> None:
    async with source_of(web) as source:
        web.fault = Fault.UNAVAILABLE
        await eventually(lambda: not source.state.connected)
        assert source.svid
        web.fault = Fault.PERMISSION_DENIED
        await eventually(lambda: isinstance(source.state.last_error, PermissionDenied))
        with pytest.raises(PermissionDenied):
            _ = source.svid
        with pytest.raises(PermissionDenied):
            source.bundle()


async def test_malformed_messages_keep_the_last_good_svid(
    web: Workload, eventually: Eventually
) -> None:
    async with source_of(web) as source:
        before = source.svid
        web.fault = Fault.MALFORMED
        await eventually(lambda: source.state.last_error)
        assert source.state.connected
        assert source.svid is before


async def test_a_bundle_that_was_refused_from_the_start_says_why(
    agent: Any, sandbox: SandboxTrustDomain
) -> None:
    issued = sandbox.x509.issue(WEB, 3600)
    response = pb.X509SVIDResponse()
    response.svids.add(
        spiffe_id=WEB,
        x509_svid=issued.chain_der,
        x509_svid_key=issued.key_der,
        bundle=b"\x30broken",
    )
    agent.answer_with(response, then_wait=True)
    async with WorkloadClient(agent.address) as client, X509Source(client) as source:
        assert source.svid
        for _ in range(2):
            with pytest.raises(InvalidBundle):
                source.bundle()


# TLS. asyncio's and http.client's own ways of using a context.


@asynccontextmanager
async def echo_server(path: Path, context: ssl.SSLContext) -> AsyncIterator[list[bytes]]:
    received: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(100)
        received.append(data)
        writer.write(data)
        writer.close()

    async with await asyncio.start_unix_server(echo, path, ssl=context):
        yield received


async def echoed(path: Path, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path, ssl=context, server_hostname="")
    try:
        writer.write(b"hello")
        await writer.drain()
        return await reader.read(100)
    finally:
        writer.close()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Asyncio logs failed handshakes of a server; that is what these tests bring about."""
    caplog.set_level("CRITICAL", "asyncio")


async def test_two_workloads_speak(web: Workload, db: Workload, socket_dir: Path) -> None:
    async with source_of(web) as client, source_of(db) as server:
        path = socket_dir / "tls"
        async with echo_server(path, server.ssl_context(exactly(WEB))):
            assert await echoed(path, client.ssl_context(exactly(DB))) == b"hello"
            assert await echoed(path, client.ssl_context(any_member)) == b"hello"
            assert await echoed(path, client.ssl_context(lambda peer: peer.path == "/db"))


async def test_a_client_refuses_the_wrong_server(
    web: Workload, db: Workload, socket_dir: Path, quiet: None
) -> None:
    async with source_of(web) as client, source_of(db) as server:
        path = socket_dir / "tls"
        async with echo_server(path, server.ssl_context(any_member)) as received:
            for authorize in (exactly(WEB), exactly(SpiffeId(HOME, "/other")), lambda _: False):
                with pytest.raises(ssl.SSLCertVerificationError, match="not authorized"):
                    await echoed(path, client.ssl_context(authorize))
            await asyncio.sleep(0.05)
        assert b"hello" not in received


async def test_a_server_refuses_the_wrong_client(
    web: Workload, db: Workload, socket_dir: Path, quiet: None
) -> None:
    async with source_of(web) as client, source_of(db) as server:
        path = socket_dir / "tls"
        async with echo_server(path, server.ssl_context(exactly(DB))) as received:
            assert await without_answer(path, client.ssl_context(any_member))
        assert received == []


async def without_answer(path: Path, context: ssl.SSLContext) -> bool:
    """In TLS 1.3 a client learns of its refusal after its own handshake has ended."""
    try:
        return await echoed(path, context) == b""
    except (ssl.SSLError, ConnectionError):
        return True


async def test_rotation_takes_effect_at_the_next_handshake(
    sandbox: SandboxTrustDomain,
    web: Workload,
    db: Workload,
    socket_dir: Path,
    eventually: Eventually,
) -> None:
    async with source_of(web) as client, source_of(db) as server:
        path = socket_dir / "tls"
        context = client.ssl_context(exactly(DB))
        async with echo_server(path, server.ssl_context(exactly(WEB))):
            assert await echoed(path, context) == b"hello"
            old = sandbox.x509.current
            assert old is not None
            before = client.svid, server.svid
            sandbox.x509.prepare()
            sandbox.x509.activate()
            sandbox.x509.taint(old.key_id)
            sandbox.x509.revoke(old.key_id)
            for source, svid in zip((client, server), before, strict=True):
                await eventually(
                    lambda source=source, svid=svid: (
                        source.svid != svid and len(source.bundle().authorities) == 1
                    )
                )
            assert await echoed(path, context) == b"hello"


async def test_a_removed_root_is_not_trusted_at_the_next_handshake(
    sandbox: SandboxTrustDomain,
    cluster: Cluster,
    web: Workload,
    socket_dir: Path,
    eventually: Eventually,
    quiet: None,
) -> None:
    west = await sandbox.start_cluster("west")
    db = await west.add_workload("db", Entry(DB))
    async with source_of(web) as client, source_of(db) as server:
        path = socket_dir / "tls"
        context = client.ssl_context(exactly(DB))
        async with echo_server(path, server.ssl_context(any_member)):
            assert await echoed(path, context) == b"hello"
            west.hold_bundles()
            old = sandbox.x509.current
            assert old is not None
            trusted = client.bundle()
            sandbox.x509.prepare()
            sandbox.x509.activate()
            sandbox.x509.revoke(old.key_id)
            await eventually(
                lambda: set(client.bundle().authorities).isdisjoint(trusted.authorities)
            )
            with pytest.raises(ssl.SSLCertVerificationError):
                await echoed(path, context)


async def test_a_denied_svid_fails_handshakes_on_both_sides(
    web: Workload, db: Workload, socket_dir: Path, eventually: Eventually, quiet: None
) -> None:
    async with source_of(web) as client, source_of(db) as server:
        path = socket_dir / "tls"
        context = client.ssl_context(any_member)
        async with echo_server(path, server.ssl_context(any_member)):
            assert await echoed(path, context) == b"hello"
            web.fault = Fault.PERMISSION_DENIED
            await eventually(lambda: isinstance(client.state.last_error, PermissionDenied))
            with pytest.raises(ssl.SSLError, match="no SPIFFE credentials"):
                await echoed(path, context)
            web.fault = None
            await eventually(lambda: client.state.connected)
            assert await echoed(path, context) == b"hello"
            db.fault = Fault.PERMISSION_DENIED
            await eventually(lambda: isinstance(server.state.last_error, PermissionDenied))
            assert await without_answer(path, context)


async def test_a_federated_peer_is_verified_with_its_own_bundle(
    sandbox: SandboxTrustDomain, cluster: Cluster, socket_dir: Path, quiet: None
) -> None:
    async with SandboxTrustDomain("partner.example") as partner:
        sandbox.federate(partner)
        partner.federate(sandbox)
        ours = await cluster.add_workload("f", Entry(WEB, federates_with=("partner.example",)))
        theirs = await (await partner.start_cluster("p")).add_workload(
            "f", Entry("spiffe://partner.example/api", federates_with=("example.org",))
        )
        path = socket_dir / "tls"
        async with (
            source_of(ours) as client,
            source_of(theirs) as server,
            echo_server(path, server.ssl_context(any_member, trust_domain=HOME)),
        ):
            theirs_only = client.ssl_context(any_member, trust_domain=PARTNER)
            assert await echoed(path, theirs_only) == b"hello"
            with pytest.raises(ssl.SSLCertVerificationError):
                await echoed(path, client.ssl_context(any_member))


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = str(self.connection.getpeercert(binary_form=True) is not None).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


class Server(http.server.HTTPServer):
    def handle_error(self, *_: Any) -> None: ...


@contextmanager
def https_server(context: ssl.SSLContext) -> Iterator[tuple[str, int]]:
    """The standard library's server with its listening socket wrapped, as everybody does it."""
    with Server(("127.0.0.1", 0), Hello) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield ("127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join()


async def test_http_clients_take_the_context(web: Workload, db: Workload) -> None:
    async with source_of(web) as client, source_of(db) as server:
        context = client.ssl_context(exactly(DB))
        with https_server(server.ssl_context(exactly(WEB))) as (host, port):

            def by_http_client() -> bytes:
                connection = http.client.HTTPSConnection(host, port, context=context, timeout=5)
                with closing(connection):
                    connection.request("GET", "/")
                    return connection.getresponse().read()

            def by_urllib() -> bytes:
                opener = build_opener(HTTPSHandler(context=context))
                with opener.open(f"https://{host}:{port}/", timeout=5) as response:
                    body: bytes = response.read()
                    return body

            assert await asyncio.to_thread(by_http_client) == b"True"
            assert await asyncio.to_thread(by_urllib) == b"True"
            wrong = client.ssl_context(exactly(WEB))
            connection = http.client.HTTPSConnection(host, port, context=wrong, timeout=5)
            with closing(connection), pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.to_thread(connection.request, "GET", "/")


async def test_a_listening_socket_that_was_wrapped_follows_rotations_too(
    sandbox: SandboxTrustDomain, web: Workload, db: Workload, eventually: Eventually
) -> None:
    async with source_of(web) as client, source_of(db) as server:
        context = client.ssl_context(exactly(DB))
        with https_server(server.ssl_context(exactly(WEB))) as address:

            def status() -> int:
                connection = http.client.HTTPSConnection(*address, context=context, timeout=5)
                with closing(connection):
                    connection.request("GET", "/")
                    return connection.getresponse().status

            assert await asyncio.to_thread(status) == 200
            old = sandbox.x509.current
            assert old is not None
            before = client.svid, server.svid
            sandbox.x509.prepare()
            sandbox.x509.activate()
            sandbox.x509.taint(old.key_id)
            sandbox.x509.revoke(old.key_id)
            for source, svid in zip((client, server), before, strict=True):
                await eventually(
                    lambda source=source, svid=svid: (
                        source.svid != svid and len(source.bundle().authorities) == 1
                    )
                )
            assert await asyncio.to_thread(status) == 200


async def test_alpn(web: Workload, db: Workload) -> None:
    async with source_of(web) as client, source_of(db) as server:
        here, there = socket.socketpair()
        chosen: list[str | None] = []

        def serve() -> None:
            context = server.ssl_context(any_member, alpn=["h2", "http/1.1"])
            with context.wrap_socket(there, server_side=True) as tls:
                chosen.append(tls.selected_alpn_protocol())

        thread = threading.Thread(target=serve)
        thread.start()
        with client.ssl_context(any_member, alpn=["h2"]).wrap_socket(here) as tls:
            assert tls.selected_alpn_protocol() == "h2"
            await asyncio.to_thread(thread.join)
        assert chosen == ["h2"]
