"""A server elsewhere, on connections that are cut all the time: rotations, restarts, strangers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from server_ways import Way, certificate_is_not_of, port_of, trust_by
from spiffe_authority import Domain
from tcp_middle import Middle, between
from trust_domains.under_test import PATIENCE_SECONDS, TrustDomainUnderTest, eventually

from spire_bridge.bundles.source import SourceState
from spire_bridge.server_api.client import ServerClient
from spire_bridge.server_api.trust import read_x509_bundle
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.transport.rpc_errors import PeerNotTrusted, PeerUnreachable, RpcError, TlsFailed
from spire_bridge.transport.tls import TlsCredentials

pytestmark = pytest.mark.timeout(120)

CUT_SECONDS = 0.3


@pytest.fixture
async def middle(trust_domain: TrustDomainUnderTest) -> AsyncIterator[Middle]:
    async with between(port_of(trust_domain)) as middle:
        yield middle


@pytest.fixture(params=["bootstrap bundle", "workload API"])
async def way(
    request: pytest.FixtureRequest,
    trust_domain: TrustDomainUnderTest,
    middle: Middle,
    tmp_path: Path,
) -> Way:
    trust = await trust_by(request.param, trust_domain, tmp_path)
    return Way(TrustDomain(trust_domain.name), f"tls://127.0.0.1:{middle.port}", trust)


class Seen:
    """What a source has told."""

    def __init__(self) -> None:
        self.bundles: list[Bundle] = []
        self.states: list[SourceState] = []

    @property
    def errors(self) -> list[object]:
        return [state.last_error for state in self.states if state.last_error is not None]

    async def until(self, wanted: Callable[[Bundle], bool]) -> Bundle:
        """The newest bundle, once it is as wanted."""

        async def newest() -> Bundle | None:
            bundle = self.bundles[-1] if self.bundles else None
            return bundle if bundle is not None and wanted(bundle) else None

        return await eventually(newest)

    async def asked_again(self, times: int) -> None:
        """Returns when the server has been asked so many times more."""
        wanted = len(self.states) + times

        async def enough() -> bool | None:
            return len(self.states) >= wanted or None

        await eventually(enough)


@asynccontextmanager
async def followed(way: Way) -> AsyncIterator[Seen]:
    seen = Seen()

    async def follow() -> None:
        async with aclosing(way.source().watch(seen.states.append)) as bundles:
            async for bundle in bundles:
                seen.bundles.append(bundle)

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def cutting(middle: Middle) -> AsyncIterator[None]:
    """Cuts every connection a few times a second, also those that have not shaken hands yet."""

    async def cut() -> None:
        while True:
            await asyncio.sleep(CUT_SECONDS)
            middle.cut()

    task = asyncio.create_task(cut())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_rotation_of_the_servers_authority_is_followed(
    trust_domain: TrustDomainUnderTest, way: Way, middle: Middle
) -> None:
    """Each answer comes on a connection that had to be trusted anew."""
    async with followed(way) as seen:
        first = await seen.until(lambda _: True)
        async with cutting(middle):
            await trust_domain.prepare_x509()
            more = await seen.until(lambda b: len(b.x509.authorities) > len(first.x509.authorities))
            old = await trust_domain.activate_x509()
            await seen.asked_again(3)
            await trust_domain.taint_x509(old)
            await eventually(lambda: certificate_is_not_of(old, trust_domain))
            await seen.asked_again(3)
            await trust_domain.revoke_x509(old)
            left = await seen.until(lambda b: b.x509 != more.x509)
            await seen.asked_again(5)
            key = await trust_domain.prepare_jwt()
            await seen.until(lambda b: key in b.jwt.authorities)
        assert len(left.x509.authorities) == len(more.x509.authorities) - 1
        assert seen.errors == []
    assert middle.connections > 5
    async with followed(way) as seen:  # after a restart of ours
        await seen.until(lambda b: b.x509 == left.x509)
        assert seen.errors == []


@pytest.mark.parametrize("way", ["bootstrap bundle"], indirect=True)
async def test_calls_in_flight_outlive_the_cuts(way: Way, middle: Middle) -> None:
    """Of ten callers at once, none sees an error."""
    async with way.client() as client, cutting(middle):
        deadline = asyncio.get_running_loop().time() + 2

        async def ask() -> int:
            calls = 0
            while asyncio.get_running_loop().time() < deadline:
                await client.get_bundle()
                calls += 1
            return calls

        assert min(await asyncio.gather(*(ask() for _ in range(10)))) > 0
    assert middle.connections > 3


async def test_a_server_that_restarts_is_lost_and_found(
    trust_domain: TrustDomainUnderTest, tmp_path: Path
) -> None:
    trust = await trust_by("bootstrap bundle", trust_domain, tmp_path)
    way = Way(TrustDomain(trust_domain.name), trust_domain.server_tls_address, trust)
    async with followed(way) as seen:
        before = await seen.until(lambda _: True)
        await trust_domain.stop_server()
        try:
            await eventually(lambda: is_lost(seen))
            assert type(seen.states[-1].last_error) is PeerUnreachable
        finally:
            await trust_domain.start_server()
        told = len(seen.bundles)
        await seen.until(lambda _: len(seen.bundles) > told or seen.states[-1].connected)
        key = await trust_domain.prepare_jwt()
        after = await seen.until(lambda b: key in b.jwt.authorities)
        assert set(before.x509.authorities) <= set(after.x509.authorities)


async def is_lost(seen: Seen) -> bool | None:
    return not seen.states[-1].connected or None


async def refusal(client: ServerClient) -> RpcError:
    with pytest.raises(RpcError) as caught:
        await asyncio.wait_for(client.get_bundle(), PATIENCE_SECONDS)
    return caught.value


async def test_the_server_of_another_trust_domain_is_not_trusted(
    trust_domain: TrustDomainUnderTest,
) -> None:
    stranger = Domain(TrustDomain("other.example"))
    credentials = TlsCredentials(None, stranger.bundle)
    address = trust_domain.server_tls_address
    async with ServerClient(address, credentials=lambda: credentials) as client:
        error = await refusal(client)
    assert type(error) is PeerNotTrusted
    assert address.removeprefix("tls://") in error.message


@pytest.mark.parametrize("trust_domain", ["spire"], indirect=True)
async def test_a_server_that_refuses_our_svid_says_so(trust_domain: TrustDomainUnderTest) -> None:
    """SPIRE's server asks for no certificate, and refuses one of an unknown authority."""
    name = TrustDomain(trust_domain.name)
    bundle = read_x509_bundle(name, await trust_domain.bootstrap_bundle(), what="bundle")
    credentials = TlsCredentials(Domain(name).svid(f"spiffe://{name}/issuer"), bundle)
    address = trust_domain.server_tls_address
    async with ServerClient(address, credentials=lambda: credentials) as client:
        error = await refusal(client)
    assert type(error) is TlsFailed
    assert "certificate" in error.message
