"""Where editions come from: the agent's streams, shared tokens, and exchanges."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from issuer_at_work import Clock

from spire_bridge.credentials.pem import PemOptions, pem_files
from spire_bridge.errors import BridgeError
from spire_bridge.helper.contents import JwtContent, X509Content, X509Material, X509Supply
from spire_bridge.helper.exchanged import ExchangedContent
from spire_bridge.helper.tokens import TokenSupplies, TokenSupply
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.spiffe.x509_svid import InvalidSvid
from spire_bridge.transport.rpc_errors import PermissionDenied, Unavailable, UnexpectedAnswer
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.identity import Identity
from spire_bridge.workload.latest import Latest


@pytest.fixture
async def client(workload: Workload) -> AsyncIterator[WorkloadClient]:
    async with WorkloadClient(workload.address, timeout=2) as client:
        yield client


class CountingClient:
    """Counts the calls that it passes on."""

    def __init__(self, client: WorkloadClient) -> None:
        self._client = client
        self.calls: list[Any] = []

    async def fetch_jwt_svids(self, audience: Any, **options: Any) -> Any:
        self.calls.append((audience, options["spiffe_id"]))
        return await self._client.fetch_jwt_svids(audience, **options)


def raw(svid: UnverifiedJwtSvid) -> tuple[bytes, ...]:
    return (svid.token.encode(),)


async def test_one_fetch_for_all_that_need_the_same_token(client: WorkloadClient) -> None:
    counting, clock = CountingClient(client), Clock()

    def make(audience: frozenset[str], identity: Identity) -> TokenSupply:
        return TokenSupply(
            counting,  # type: ignore[arg-type]
            sorted(audience),
            identity,
            clock=clock,
            jitter=lambda: 0.0,
        )

    supplies = TokenSupplies(make)
    same = [JwtContent(supplies.of(a, Identity()), raw) for a in (["a", "b"], ["b", "a"])]
    other = JwtContent(supplies.of(["a"], Identity()), raw)
    editions = await asyncio.gather(*(content.obtain() for content in (*same, other)))
    assert editions[0] == editions[1] != editions[2]
    assert [audience for audience, _ in counting.calls] == [("a", "b"), ("a",)]
    expires_at, renew_at = editions[0].expires_at, editions[0].renew_at
    assert expires_at is not None
    assert renew_at is not None
    assert abs(expires_at - clock() - 300) < 5
    assert abs(renew_at - clock() - 150) < 5
    clock.ahead = 140
    await asyncio.gather(*(content.obtain() for content in same))
    assert len(counting.calls) == 2
    clock.ahead = 151
    await asyncio.gather(*(content.obtain() for content in same))
    assert len(counting.calls) == 3


async def test_the_id_is_asked_for(client: WorkloadClient, workload: Workload) -> None:
    counting = CountingClient(client)
    workload.register(Entry("spiffe://example.org/second", hint="second"))
    second = SpiffeId.parse("spiffe://example.org/second")
    for identity in (Identity(second), Identity(hint="second")):
        supply = TokenSupply(counting, ["a"], identity)  # type: ignore[arg-type]
        assert (await supply.obtain()).svid.spiffe_id == second
    assert [spiffe_id for _, spiffe_id in counting.calls] == [second, None]


@pytest.mark.parametrize("fault", [Fault.MALFORMED, Fault.WRONG_AUDIENCE, Fault.EXPIRED])
async def test_a_token_that_is_none_is_not_kept(
    client: WorkloadClient, workload: Workload, fault: Fault
) -> None:
    supply = TokenSupply(client, ["a"], Identity())
    workload.fault = fault
    with pytest.raises((UnexpectedAnswer, InvalidSvid)):
        await supply.obtain()
    workload.fault = None
    assert (await supply.obtain()).svid.audience == ("a",)


@dataclass(frozen=True)
class Answer:
    text: str
    expires_at: float


async def test_what_is_exchanged_for_a_token(client: WorkloadClient) -> None:
    clock = Clock()
    threads: list[threading.Thread] = []

    def exchange(svid: UnverifiedJwtSvid) -> Answer:
        threads.append(threading.current_thread())
        return Answer(str(svid.spiffe_id), clock() + 1000)

    supply = TokenSupply(client, ["a"], Identity())
    content = ExchangedContent(supply, exchange, lambda a: (a.text.encode(),), clock=clock)
    edition = await content.obtain()
    assert edition.contents == (b"spiffe://example.org/workload",)
    assert edition.renew_at is not None
    assert 390 < edition.renew_at - clock() < 501
    assert threads[0] is not threading.main_thread()
    content.on_change(lambda: None)()  # ends what never began


def pem(material: X509Material) -> tuple[bytes, ...]:
    files = pem_files(material.svid, material.context, PemOptions(), now=0)
    return (files.bundle, files.key, files.certificates)


async def test_an_x509_svid(client: WorkloadClient, workload: Workload) -> None:
    clock = Clock()
    latest = Latest(client.watch_x509_context, start_timeout=2)
    content = X509Content(X509Supply(latest, Identity(), clock=clock), pem)
    changes: list[None] = []
    stop_listening = content.on_change(lambda: changes.append(None))
    edition = await content.obtain()
    assert edition.renew_at is None
    assert edition.expires_at is not None
    assert abs(edition.expires_at - clock() - 3600) < 5
    clock.ahead = 3601
    with pytest.raises(Unavailable, match="has expired"):
        await content.obtain()
    seen = len(changes)
    assert seen == 1
    stop_listening()
    workload.deregister("spiffe://example.org/workload")
    await latest.changed()
    assert len(changes) == seen
    with pytest.raises(PermissionDenied):
        await content.obtain()
    await latest.stop()


@pytest.mark.parametrize("fault", [Fault.MALFORMED, Fault.GARBAGE, Fault.UNAVAILABLE])
async def test_an_answer_that_is_none(
    client: WorkloadClient, workload: Workload, fault: Fault
) -> None:
    workload.fault = fault
    latest = Latest(client.watch_x509_context, start_timeout=2)
    content = X509Content(X509Supply(latest, Identity()), pem)
    with pytest.raises(BridgeError):
        await content.obtain()
    await latest.stop()
