"""A server as a source: what it tells and when, through losses, refusals and late starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge.bundles.source import SourceState
from spire_bridge.bundles.store import BundleStore
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.server_api import ServerApi
from spire_bridge.sandbox.server_certificate import CertificateFault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.server_api.address import InvalidServerAddress
from spire_bridge.server_api.bundle_source import ServerApiSource
from spire_bridge.server_api.trust import BootstrappedTrust
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.transport.rpc_errors import (
    DeadlineExceeded,
    PeerNotTrusted,
    PermissionDenied,
    SocketMissing,
    TlsFailed,
    TrustDomainMismatch,
    Unavailable,
    UnexpectedAnswer,
)
from spire_bridge.transport.tls import TlsCredentials

HOME = TrustDomain("example.org")
Eventually = Callable[..., Awaitable[Any]]


def source(server: ServerApi, **settings: Any) -> ServerApiSource:
    return ServerApiSource(
        **{
            "name": "server",
            "address": server.address,
            "trust_domain": HOME,
            "interval_seconds": 0.02,
            **settings,
        }
    )


class Watched:
    """A source being followed: all that it has told."""

    def __init__(self) -> None:
        self.bundles: list[Bundle] = []
        self.states: list[SourceState] = []

    @property
    def state(self) -> SourceState | None:
        return self.states[-1] if self.states else None

    @property
    def error(self) -> Exception | None:
        return self.state.last_error if self.state else None


@asynccontextmanager
async def watched(of: ServerApiSource) -> AsyncIterator[Watched]:
    seen = Watched()

    async def follow() -> None:
        async with aclosing(of.watch(seen.states.append)) as bundles:
            async for bundle in bundles:
                assert seen.state == SourceState(True, seen.states[-1].since)
                seen.bundles.append(bundle)

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        assert not task.done()  # it never gives up
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_it_tells_the_bundle_at_once_and_then_only_changes(
    sandbox: SandboxTrustDomain, server: ServerApi, eventually: Eventually
) -> None:
    async with watched(source(server)) as seen:
        await eventually(lambda: len(seen.states) >= 5)
        (first,) = seen.bundles
        assert first.trust_domain == HOME
        assert set(first.jwt.authorities) == set(sandbox.jwt.states)
        assert first.sequence == 1
        assert all(state == seen.states[0] for state in seen.states)

        key = sandbox.jwt.prepare()
        await eventually(lambda: len(seen.bundles) == 2)
        assert key in seen.bundles[1].jwt.authorities
        assert seen.bundles[1].sequence == 2


async def test_taint_and_a_new_hint_are_changes(
    sandbox: SandboxTrustDomain, server: ServerApi, eventually: Eventually
) -> None:
    (old,) = sandbox.jwt.states
    sandbox.jwt.activate(sandbox.jwt.prepare())
    async with watched(source(server)) as seen:
        await eventually(lambda: seen.bundles)
        sandbox.jwt.taint(old)
        await eventually(lambda: seen.bundles[-1].jwt.authorities[old].tainted)
        sandbox.refresh_hint_seconds = 60
        await eventually(lambda: seen.bundles[-1].refresh_hint_seconds == 60)
        assert len(seen.bundles) == 3


async def test_an_authenticated_empty_bundle_is_told(
    sandbox: SandboxTrustDomain, server: ServerApi, eventually: Eventually
) -> None:
    async with watched(source(server)) as seen:
        await eventually(lambda: seen.bundles)
        sandbox.jwt.revoke(next(iter(sandbox.jwt.states)))
        await eventually(lambda: not seen.bundles[-1].jwt.authorities)


async def test_the_interval_is_kept(server: ServerApi, eventually: Eventually) -> None:
    async with watched(source(server, interval_seconds=60.0)) as seen:
        await eventually(lambda: seen.bundles)
        await asyncio.sleep(0.2)
        assert len(seen.states) == 1


async def test_a_lost_server_is_seen_again_long_before_the_interval_is_over(
    sandbox: SandboxTrustDomain, server: ServerApi, eventually: Eventually
) -> None:
    server.fault = Fault.UNAVAILABLE
    async with watched(source(server, interval_seconds=60.0)) as seen:
        await eventually(lambda: seen.states)
        assert isinstance(seen.error, Unavailable)
        assert not seen.states[-1].connected
        server.fault = None
        await eventually(lambda: seen.bundles)
        assert seen.error is None


async def test_a_server_that_comes_back_tells_its_bundle_again_even_unchanged(
    sandbox: SandboxTrustDomain, server: ServerApi, eventually: Eventually
) -> None:
    async with watched(source(server)) as seen:
        await eventually(lambda: seen.bundles)
        await server.stop()
        await eventually(lambda: isinstance(seen.error, SocketMissing))
        lost = seen.states[-1]
        assert not lost.connected
        await server.start()
        await eventually(lambda: len(seen.bundles) == 2)
        assert seen.bundles[0] == seen.bundles[1]
        assert seen.states[-1].connected
        assert seen.states[-1].since >= lost.since


async def test_a_refusal_right_after_a_loss_does_not_hide_the_return(
    server: ServerApi, eventually: Eventually
) -> None:
    async with watched(source(server)) as seen:
        await eventually(lambda: seen.bundles)
        server.fault = Fault.UNAVAILABLE
        await eventually(lambda: isinstance(seen.error, Unavailable))
        server.fault = Fault.MALFORMED
        await eventually(lambda: isinstance(seen.error, UnexpectedAnswer))
        server.fault = None
        await eventually(lambda: len(seen.bundles) == 2)


async def test_a_server_that_starts_late_is_taken(
    sandbox: SandboxTrustDomain, server: ServerApi, eventually: Eventually
) -> None:
    await server.stop()
    async with watched(source(server)) as seen:
        await eventually(lambda: isinstance(seen.error, SocketMissing))
        await server.start()
        await eventually(lambda: seen.bundles)


async def test_a_server_that_hangs_is_lost_after_the_timeout(
    server: ServerApi, eventually: Eventually
) -> None:
    server.fault = Fault.HANG
    async with watched(source(server, timeout=0.1)) as seen:
        await eventually(lambda: isinstance(seen.error, DeadlineExceeded))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (types.Bundle(trust_domain="other.example"), TrustDomainMismatch),
        (types.Bundle(trust_domain="not a name"), UnexpectedAnswer),
        (
            types.Bundle(
                trust_domain="example.org",
                jwt_authorities=[types.JWTKey(key_id="a"), types.JWTKey(key_id="a")],
            ),
            InvalidBundle,
        ),
    ],
)
async def test_a_refused_answer_is_an_error_and_the_last_good_bundle_stays(
    server: ServerApi, eventually: Eventually, answer: types.Bundle, kind: type[Exception]
) -> None:
    async with watched(source(server)) as seen:
        await eventually(lambda: seen.bundles)
        server.answer = answer
        await eventually(lambda: isinstance(seen.error, kind))
        assert seen.states[-1].connected
        server.answer = None
        await eventually(lambda: seen.error is None)
        assert len(seen.bundles) == 1


async def test_without_a_trust_domain_the_first_answer_decides(
    server: ServerApi, eventually: Eventually
) -> None:
    async with watched(source(server, trust_domain=None)) as seen:
        await eventually(lambda: seen.bundles)
        assert seen.bundles[0].trust_domain == HOME
        server.answer = types.Bundle(trust_domain="other.example")
        await eventually(lambda: isinstance(seen.error, UnexpectedAnswer))
        assert "other.example" in str(seen.error)
        assert "example.org" in str(seen.error)


async def test_a_key_that_is_left_out_is_logged_once(
    server: ServerApi, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key()
    key = types.JWTKey(
        key_id="weak", public_key=weak.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    server.answer = types.Bundle(trust_domain="example.org", jwt_authorities=[key])
    with caplog.at_level(logging.WARNING):
        async with watched(source(server)) as seen:
            await eventually(lambda: len(seen.states) >= 3)
    (record,) = [r for r in caplog.records if r.message == "key was left out"]
    assert record.__dict__["source"] == "server"
    assert "1024 bits" in record.__dict__["reason"]


@asynccontextmanager
async def bootstrapped(
    sandbox: SandboxTrustDomain, folder: Path, **settings: Any
) -> AsyncIterator[Watched]:
    """A source of the sandbox's server over TLS, with the authorities of now in a file."""
    pem = b"".join(ca.root.public_bytes(Encoding.PEM) for ca in sandbox.x509.keys)
    (folder / "bootstrap.pem").write_bytes(pem)
    async with watched(
        source(
            sandbox.server_api,
            address=sandbox.server_api.tls_address,
            trust=lambda: BootstrappedTrust(HOME, folder / "bootstrap.pem", folder / "cache"),
            **settings,
        )
    ) as seen:
        yield seen


async def test_over_tls_a_rotation_of_the_servers_authority_is_followed(
    sandbox: SandboxTrustDomain, eventually: Eventually, tmp_path: Path
) -> None:
    """Every connection is a new one before long, and has to be trusted anew."""
    await sandbox.start_server_tls(max_connection_age_seconds=0.05)
    (old,) = sandbox.x509.states
    async with bootstrapped(sandbox, tmp_path) as seen:
        await eventually(lambda: seen.bundles)
        for _ in range(3):
            new = sandbox.x509.prepare()
            await eventually(lambda: len(seen.bundles[-1].x509.authorities) == 2)
            sandbox.x509.activate(new)
            sandbox.x509.taint(old)
            asked = len(seen.states) + 10  # on some connections below the new one
            await eventually(lambda wanted=asked: len(seen.states) > wanted)
            sandbox.x509.revoke(old)
            await eventually(lambda: len(seen.bundles[-1].x509.authorities) == 1)
            old = new
        key = sandbox.jwt.prepare()
        await eventually(lambda: key in seen.bundles[-1].jwt.authorities)
        assert all(state.last_error is None for state in seen.states)
    # A restart: the file is of an authority that is gone, the cache is not.
    async with watched(
        source(
            sandbox.server_api,
            address=sandbox.server_api.tls_address,
            trust=lambda: BootstrappedTrust(HOME, tmp_path / "bootstrap.pem", tmp_path / "cache"),
        )
    ) as seen:
        await eventually(lambda: seen.bundles)
        assert all(state.last_error is None for state in seen.states)


async def test_over_tls_a_server_that_is_not_trusted_is_lost_until_it_is(
    sandbox: SandboxTrustDomain, eventually: Eventually, tmp_path: Path
) -> None:
    await sandbox.start_server_tls()
    sandbox.server_certificate.fault = CertificateFault.OTHER_AUTHORITY
    async with bootstrapped(sandbox, tmp_path) as seen:
        await eventually(lambda: isinstance(seen.error, PeerNotTrusted))
        assert not seen.states[-1].connected
        sandbox.server_certificate.fault = None
        await eventually(lambda: seen.bundles)
        assert seen.error is None


async def test_over_tls_a_bootstrap_bundle_may_come_late(
    sandbox: SandboxTrustDomain, eventually: Eventually, tmp_path: Path
) -> None:
    await sandbox.start_server_tls()
    async with bootstrapped(sandbox, tmp_path) as seen:
        pem = (tmp_path / "bootstrap.pem").read_bytes()
        (tmp_path / "bootstrap.pem").unlink()
        await eventually(lambda: isinstance(seen.error, TlsFailed))
        assert "bootstrap.pem" in str(seen.error)
        (tmp_path / "bootstrap.pem").write_bytes(pem)
        await eventually(lambda: seen.bundles)


async def test_trust_that_cannot_be_had_yet_is_asked_for_again(
    sandbox: SandboxTrustDomain, eventually: Eventually
) -> None:
    await sandbox.start_server_tls()
    bundle = X509Bundle(HOME, tuple(ca.root for ca in sandbox.x509.keys))
    refusals = [PermissionDenied("no identity issued"), Unavailable("no agent")]
    learned: list[X509Bundle] = []

    class Trust:
        def credentials(self) -> TlsCredentials:
            return TlsCredentials(None, bundle)

        def learn(self, bundle: X509Bundle) -> None:
            learned.append(bundle)

    @asynccontextmanager
    async def trust() -> AsyncIterator[Trust]:
        if refusals:
            raise refusals.pop(0)
        yield Trust()

    tls = source(sandbox.server_api, address=sandbox.server_api.tls_address, trust=trust)
    async with watched(tls) as seen:
        await eventually(lambda: seen.bundles)
        assert [type(state.last_error) for state in seen.states[:3]] == [
            PermissionDenied,
            Unavailable,
            type(None),
        ]
        assert learned[0] == bundle


def test_a_malformed_address_is_refused_when_the_source_is_made() -> None:
    with pytest.raises(InvalidServerAddress):
        ServerApiSource("server", "tcp://127.0.0.1:8081", HOME)
    with pytest.raises(InvalidServerAddress):
        ServerApiSource("server", "tls://127.0.0.1:8081", HOME)  # and nothing to trust it by


async def test_it_feeds_a_store_through_a_loss(
    sandbox: SandboxTrustDomain, server: ServerApi, eventually: Eventually
) -> None:
    store = BundleStore(HOME)
    task = asyncio.create_task(store.follow(source(server)))
    try:
        await eventually(lambda: store.bundle)
        await server.stop()
        await eventually(lambda: not store.statuses()[0].state.connected)
        (old,) = sandbox.jwt.states
        assert store.bundle is not None
        assert set(store.bundle.jwt.authorities) == {old}
        new = sandbox.jwt.prepare()
        sandbox.jwt.revoke(old)
        await server.start()
        await eventually(lambda: store.bundle and set(store.bundle.jwt.authorities) == {new})
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
