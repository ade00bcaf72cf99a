"""Calls to a server over TLS: many, big and through cuts, and how each refusal is told."""

# ruff: noqa: ASYNC240 — a test may look at its own small files

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from spiffe_authority import Domain
from tcp_middle import between

from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge.errors import EXIT_FAILURE, EXIT_UNAVAILABLE
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.server_certificate import CertificateFault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.server_api.address import InvalidServerAddress
from spire_bridge.server_api.client import ServerClient
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.rpc_errors import (
    DeadlineExceeded,
    PeerNotTrusted,
    PeerUnreachable,
    PermissionDenied,
    RpcError,
    TlsFailed,
    TrustDomainMismatch,
    Unavailable,
)
from spire_bridge.transport.tls import TlsCredentials

HOME = TrustDomain("example.org")


def bundle_of(sandbox: SandboxTrustDomain) -> X509Bundle:
    return X509Bundle(sandbox.trust_domain, tuple(ca.root for ca in sandbox.x509.keys))


@asynccontextmanager
async def connected(
    sandbox: SandboxTrustDomain, *, svid: X509Svid | None = None, **options: Any
) -> AsyncIterator[ServerClient]:
    """A client of the sandbox's server that trusts the authorities of the moment."""
    address = sandbox.server_api.tls_address

    def credentials() -> TlsCredentials:
        return TlsCredentials(svid, bundle_of(sandbox))

    async with ServerClient(address, credentials=credentials, **options) as client:
        yield client


async def failure(client: ServerClient) -> RpcError:
    with pytest.raises(RpcError) as caught:
        await client.get_bundle()
    return caught.value


async def test_a_bundle_over_tls_is_that_of_the_socket(sandbox: SandboxTrustDomain) -> None:
    await sandbox.start_server_tls()
    async with connected(sandbox) as remote, ServerClient(sandbox.server_api.address) as local:
        assert await remote.get_bundle(HOME) == await local.get_bundle(HOME)


async def test_the_own_svid_is_presented(sandbox: SandboxTrustDomain) -> None:
    await sandbox.start_server_tls(require_client_certificate=True)
    issued = sandbox.x509.issue("spiffe://example.org/issuer", 300)
    svid = X509Svid.from_der(issued.chain_der, issued.key_der)
    async with connected(sandbox, svid=svid) as client:
        assert await client.get_bundle(HOME)
    async with connected(sandbox) as client:
        assert isinstance(await failure(client), Unavailable)


async def test_a_hundred_calls_at_once(sandbox: SandboxTrustDomain) -> None:
    await sandbox.start_server_tls()
    async with connected(sandbox) as client:
        answers = await asyncio.gather(*(client.get_bundle(HOME) for _ in range(100)))
    assert all(answer == answers[0] for answer in answers)


async def test_a_big_bundle(sandbox: SandboxTrustDomain) -> None:
    await sandbox.start_server_tls()
    keys = [types.JWTKey(key_id=str(n), public_key=bytes(1000)) for n in range(3000)]
    sandbox.server_api.answer = types.Bundle(trust_domain="example.org", jwt_authorities=keys)
    async with connected(sandbox) as client:
        bundle = await client.get_bundle(HOME)
    assert len(bundle.jwt.skipped) == 3000


async def test_connections_that_grow_old_lose_no_call(sandbox: SandboxTrustDomain) -> None:
    await sandbox.start_server_tls(max_connection_age_seconds=0.1)
    loop = asyncio.get_running_loop()
    async with connected(sandbox) as client:

        async def ask(until: float) -> int:
            calls = 0
            while loop.time() < until:
                await client.get_bundle(HOME)
                calls += 1
            return calls

        calls = await asyncio.gather(*(ask(loop.time() + 2) for _ in range(10)))
    assert min(calls) > 10


async def test_a_call_whose_connection_is_cut_is_made_again(sandbox: SandboxTrustDomain) -> None:
    """By something in between, such as a load balancer that resets what it has forgotten."""
    await sandbox.start_server_tls()
    port = int(sandbox.server_api.tls_address.rpartition(":")[2])
    async with between(port) as middle:
        address = f"tls://localhost:{middle.port}"
        async with ServerClient(
            address, credentials=lambda: TlsCredentials(None, bundle_of(sandbox))
        ) as client:
            assert await client.get_bundle(HOME)
            sandbox.server_api.fault = Fault.HANG
            for _ in range(3):
                call = asyncio.create_task(client.get_bundle(HOME))
                await asyncio.sleep(0.1)  # it is on its way
                assert not call.done()
                middle.cut()
                sandbox.server_api.fault = None
                assert await call
                sandbox.server_api.fault = Fault.HANG
            assert middle.connections == 4


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (CertificateFault.EXPIRED, "expired"),
        (CertificateFault.WRONG_ID, "spiffe://example.org/workload is not authorized"),
        (CertificateFault.OTHER_AUTHORITY, "unable to get local issuer"),
    ],
)
async def test_a_certificate_that_is_refused(
    sandbox: SandboxTrustDomain, fault: CertificateFault, reason: str
) -> None:
    await sandbox.start_server_tls()
    sandbox.server_certificate.fault = fault
    async with connected(sandbox) as client:
        for _ in range(2):
            error = await failure(client)
            assert type(error) is PeerNotTrusted
            assert (error.code, error.exit_status) == ("PEER_NOT_TRUSTED", EXIT_FAILURE)
            assert reason in error.message
            assert sandbox.server_api.tls_address.removeprefix("tls://") in error.message
            assert error.hint
        sandbox.server_certificate.fault = None
        assert await soon(client)


async def soon(client: ServerClient) -> object:
    """The bundle, once grpc has connected again."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await client.get_bundle(HOME)
            except RpcError:
                await asyncio.sleep(0.05)


async def test_a_server_of_another_trust_domain(sandbox: SandboxTrustDomain) -> None:
    """Known by the bundle of the one, and telling of the other."""
    await sandbox.start_server_tls()
    sandbox.server_api.answer = types.Bundle(trust_domain="other.example")
    async with connected(sandbox) as client:
        with pytest.raises(TrustDomainMismatch, match=r"other\.example"):
            await client.get_bundle(HOME)


async def test_the_bundle_of_another_trust_domain(sandbox: SandboxTrustDomain) -> None:
    address = await sandbox.start_server_tls()
    theirs = Domain(TrustDomain("other.example")).bundle
    same_root = X509Bundle(TrustDomain("other.example"), bundle_of(sandbox).authorities)
    for bundle, reason in ((theirs, "local issuer"), (same_root, "is not of other.example")):
        credentials = TlsCredentials(None, bundle)
        async with ServerClient(address, credentials=lambda c=credentials: c) as client:
            error = await failure(client)
        assert type(error) is PeerNotTrusted
        assert reason in error.message


async def test_a_server_that_is_away_and_comes_back(sandbox: SandboxTrustDomain) -> None:
    await sandbox.start_server_tls()
    async with connected(sandbox) as client:
        before = await client.get_bundle(HOME)
        await sandbox.server_api.stop()
        error = await failure(client)
        assert type(error) is PeerUnreachable
        assert (error.code, error.exit_status) == ("PEER_UNREACHABLE", EXIT_UNAVAILABLE)
        await sandbox.start_server_api()
        assert await soon(client) == before


async def test_a_server_that_does_not_answer_in_time(sandbox: SandboxTrustDomain) -> None:
    await sandbox.start_server_tls()
    sandbox.server_api.fault = Fault.HANG
    async with connected(sandbox, timeout=0.3) as client:
        assert type(await failure(client)) is DeadlineExceeded


async def test_a_refusal_by_the_server_itself_stays_one(sandbox: SandboxTrustDomain) -> None:
    await sandbox.start_server_tls()
    async with connected(sandbox) as client:
        for fault, kind in (
            (Fault.PERMISSION_DENIED, PermissionDenied),
            (Fault.UNAVAILABLE, Unavailable),
        ):
            sandbox.server_api.fault = fault
            assert type(await failure(client)) is kind


async def test_without_an_svid_the_reason_is_why_there_is_none(
    sandbox: SandboxTrustDomain,
) -> None:
    def refuse() -> TlsCredentials:
        raise PermissionDenied("no identity issued")

    address = await sandbox.start_server_tls()
    async with ServerClient(address, credentials=refuse) as client:
        assert type(await failure(client)) is PermissionDenied


async def test_an_unencrypted_server(sandbox: SandboxTrustDomain) -> None:
    cluster = await sandbox.start_cluster("east")
    agent = await cluster.add_workload("w", listen="tcp://127.0.0.1:0")
    address = agent.address.replace("tcp:", "tls:")
    bundle = bundle_of(sandbox)
    async with ServerClient(address, credentials=lambda: TlsCredentials(None, bundle)) as client:
        assert isinstance(await failure(client), (TlsFailed, PeerUnreachable))


async def test_its_socket_is_gone_in_the_end(
    sandbox: SandboxTrustDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sandbox.start_server_tls()
    before = asyncio.all_tasks()
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        async with connected(sandbox) as client:
            await client.get_bundle(HOME)
            assert list(Path(folder).iterdir())
        assert not list(Path(folder).iterdir())
        task = asyncio.create_task(use_for_ever(sandbox))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not list(Path(folder).iterdir())
    async with asyncio.timeout(10):
        while left := asyncio.all_tasks() - before:
            if all("AioServer" in repr(task) for task in left):  # the sandbox's own
                break
            await asyncio.sleep(0.01)


async def use_for_ever(sandbox: SandboxTrustDomain) -> None:
    async with connected(sandbox) as client:
        while True:
            await client.get_bundle(HOME)


def test_an_address_and_its_trust_go_together() -> None:
    with pytest.raises(InvalidServerAddress, match="needs a bundle"):
        ServerClient("tls://127.0.0.1:8081")
    with pytest.raises(InvalidServerAddress, match="needs no trust"):
        ServerClient("unix:/s", credentials=lambda: TlsCredentials(None, X509Bundle(HOME)))


async def test_a_port_that_nobody_listens_on() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    bundle = TlsCredentials(None, X509Bundle(HOME))
    async with ServerClient(f"tls://127.0.0.1:{port}", credentials=lambda: bundle) as client:
        assert type(await failure(client)) is PeerUnreachable
