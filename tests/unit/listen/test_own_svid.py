"""HTTPS with the workload's own SVID: rotated, withdrawn and back, over real handshakes."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Response
from spire_bridge.listen.own_svid import OwnSvid
from spire_bridge.listen.server import serving
from spire_bridge.listen.tls import Certificates
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.x509_source import X509Source

WEB = "spiffe://example.org/web"
PATIENCE_SECONDS = 10.0


@pytest.fixture
async def web(cluster: Cluster) -> Workload:
    return await cluster.add_workload("web", Entry(WEB, x509_ttl_seconds=3600))


def own_svid(source: X509Source) -> Certificates:
    return OwnSvid(lambda: source.svid, source.changed)


@asynccontextmanager
async def serving_with(workload: Workload) -> AsyncIterator[tuple[X509Source, ListenAddress]]:
    async with (
        WorkloadClient(workload.address, timeout=5.0) as client,
        X509Source(client) as source,
    ):
        certificates = own_svid(source)
        following = asyncio.create_task(certificates.follow())
        async with serving(
            lambda _: Response(200, (), b"secure"),
            ListenAddress("127.0.0.1", 0),
            tls=certificates.context,
        ) as address:
            yield source, address
        following.cancel()


async def shown(address: ListenAddress) -> bytes | None:
    """The certificate that a new connection is shown; None if the handshake fails."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=trusting)
    except (ssl.SSLError, ConnectionError):
        return None
    certificate: bytes | None = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await reader.read()).endswith(b"secure")
    writer.close()
    await writer.wait_closed()
    return certificate


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - the listener tells nobody
            await asyncio.sleep(0.02)


async def is_refused(address: ListenAddress) -> bool:
    return await shown(address) is None


async def is_served(address: ListenAddress) -> bool:
    return await shown(address) is not None


async def are_said(caplog: pytest.LogCaptureFixture, number: int) -> bool:
    return len(caplog.records) >= number


def leaf(source: X509Source) -> bytes:
    return ssl.PEM_cert_to_DER_cert(source.svid.chain_pem().decode())


async def test_a_rotated_svid_is_shown_to_the_next_client(
    web: Workload, sandbox: SandboxTrustDomain
) -> None:
    async with serving_with(web) as (source, address):
        first = leaf(source)
        assert await shown(address) == first
        old = sandbox.x509.current
        assert old is not None
        sandbox.x509.prepare()
        sandbox.x509.activate()
        sandbox.x509.taint(old.key_id)
        while leaf(source) == first:
            await source.changed()
        assert await shown(address) == leaf(source) != first


async def test_a_withdrawn_svid_fails_handshakes_and_not_the_listener(
    web: Workload, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "spire_bridge.listen.own_svid")
    async with serving_with(web) as (source, address):
        assert await shown(address) == leaf(source)
        certificates = own_svid(source)
        assert certificates.expiries() == {"svid": int(source.svid.expires_at.timestamp())}
        web.fault = Fault.PERMISSION_DENIED
        await until(lambda: is_refused(address))
        assert certificates.expiries() == {"svid": 0}
        web.fault = None
        await until(lambda: is_served(address))
        assert await shown(address) == leaf(source)
        said = [record.getMessage() for record in caplog.records]
        assert said == ["SVID was taken up", "no SVID to serve with", "SVID was taken up"]


async def test_an_svid_that_expires_is_said_at_once(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the source has changed nothing: the agent is away."""
    brief = await cluster.add_workload("brief", Entry(WEB, x509_ttl_seconds=2))
    caplog.set_level(logging.INFO, "spire_bridge.listen.own_svid")
    async with serving_with(brief) as (source, address):
        assert await shown(address) == leaf(source)
        await cluster.stop()
        await until(lambda: is_refused(address))
        await until(lambda: are_said(caplog, 2))
        assert caplog.records[-1].getMessage() == "no SVID to serve with"
        assert "has expired" in caplog.records[-1].reason  # type: ignore[attr-defined]
