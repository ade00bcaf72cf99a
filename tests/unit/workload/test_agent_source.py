"""Agents as sources of one trust domain's bundle: alone, and two clusters into one store."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from spire_bridge.bundles.source import SourceState
from spire_bridge.bundles.store import BundleStore
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.transport.rpc_errors import TrustDomainMismatch, Unimplemented
from spire_bridge.workload.agent_source import AgentSource

HOME, PARTNER = TrustDomain("example.org"), TrustDomain("partner.example")
Eventually = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come soon, so that the tests do."""
    monkeypatch.setattr("spire_bridge.workload.watch.Backoff", lambda: _SoonBackoff())


class _SoonBackoff:
    def next_delay(self) -> float:
        return 0.01

    def reset(self) -> None: ...


async def test_it_yields_the_bundle_and_its_changes(
    sandbox: SandboxTrustDomain, workload: Workload, tasks_left: None
) -> None:
    states: list[SourceState] = []
    source = AgentSource("east", workload.address, HOME)
    async with aclosing(source.watch(states.append)) as bundles:
        first = await soon(anext(bundles))
        assert first.trust_domain == HOME
        assert set(first.jwt.authorities) == set(sandbox.jwt.states)
        assert states[-1].connected
        key = sandbox.jwt.prepare()
        assert key in (await soon(anext(bundles))).jwt.authorities


@pytest.mark.parametrize(
    ("trust_domain", "jwks", "kind"),
    [
        (HOME, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', InvalidBundle),
        (HOME, b"garbage", InvalidBundle),
        (PARTNER, None, TrustDomainMismatch),
    ],
)
async def test_a_bundle_that_is_refused_or_not_there_is_an_error_in_the_state(
    workload: Workload,
    eventually: Eventually,
    tasks_left: None,
    trust_domain: TrustDomain,
    jwks: bytes | None,
    kind: type[Exception],
) -> None:
    workload.jwks = jwks
    states: list[SourceState] = []
    source = AgentSource("east", workload.address, trust_domain)
    async with aclosing(source.watch(states.append)) as bundles:
        waiting = asyncio.ensure_future(anext(bundles))
        await eventually(lambda: states)
        assert [state.connected for state in states] == [True]
        assert isinstance(states[0].last_error, kind)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_the_error_names_the_trust_domains_that_are_there(
    workload: Workload, eventually: Eventually
) -> None:
    states: list[SourceState] = []
    async with aclosing(AgentSource("e", workload.address, PARTNER).watch(states.append)) as watch:
        waiting = asyncio.ensure_future(anext(watch))
        await eventually(lambda: states)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    error = states[0].last_error
    assert error is not None
    assert "example.org" in (error.hint or "")


async def test_an_end_for_good_is_raised(workload: Workload, tasks_left: None) -> None:
    workload.fault = Fault.UNIMPLEMENTED
    source = AgentSource("east", workload.address, HOME)
    async with aclosing(source.watch(lambda _: None)) as bundles:
        with pytest.raises(Unimplemented):
            await soon(anext(bundles))


async def test_a_key_that_is_left_out_is_logged(
    sandbox: SandboxTrustDomain, workload: Workload, caplog: pytest.LogCaptureFixture
) -> None:
    good = sandbox.jwt.keys[0].public_jwk
    weak = {"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"}
    workload.jwks = json.dumps({"keys": [good, weak]}).encode()
    with caplog.at_level(logging.WARNING):
        async with aclosing(
            AgentSource("east", workload.address, HOME).watch(lambda _: None)
        ) as bundles:
            assert set((await soon(anext(bundles))).jwt.authorities) == {good["kid"]}
    (record,) = [r for r in caplog.records if r.getMessage() == "key was left out"]
    assert record.source == "east"  # type: ignore[attr-defined]
    assert "weak" in record.key_id  # type: ignore[attr-defined]


# Into one store.


@asynccontextmanager
async def following(store: BundleStore, *sources: AgentSource) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(store.follow(source)) for source in sources]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def east(cluster: Cluster) -> Workload:
    return await cluster.add_workload("issuer", Entry("spiffe://example.org/issuer"))


@pytest.fixture
async def west(sandbox: SandboxTrustDomain) -> Workload:
    cluster = await sandbox.start_cluster("west")
    return await cluster.add_workload("issuer", Entry("spiffe://example.org/issuer"))


def have_told(store: BundleStore, number: int) -> bool:
    return sum(status.received_at is not None for status in store.statuses()) == number


def keys(store: BundleStore) -> set[str]:
    return set(store.bundle.jwt.authorities) if store.bundle else set()


async def test_two_clusters_make_one_bundle_and_the_one_that_lags_is_named(
    sandbox: SandboxTrustDomain,
    east: Workload,
    west: Workload,
    eventually: Eventually,
    tasks_left: None,
) -> None:
    store = BundleStore(HOME)
    sources = [AgentSource("east", east.address, HOME), AgentSource("west", west.address, HOME)]
    async with following(store, *sources):
        await eventually(lambda: have_told(store, 2))
        (old,) = keys(store)
        assert not any(status.lagging for status in store.statuses())

        sandbox.clusters["west"].hold_bundles()
        new = sandbox.jwt.prepare()
        await eventually(lambda: keys(store) == {old, new})
        of_east, of_west = store.statuses()
        assert not of_east.lagging
        assert of_west.missing == (new,)

        sandbox.jwt.activate()
        sandbox.jwt.revoke(old)
        await eventually(lambda: store.statuses()[0].keys == 1)
        assert keys(store) == {old, new}
        assert store.statuses()[1].stale == (old,)

        sandbox.clusters["west"].release_bundles()
        await eventually(lambda: keys(store) == {new})
        assert not any(status.lagging for status in store.statuses())


async def test_losing_one_cluster_and_then_both_keeps_the_bundle(
    sandbox: SandboxTrustDomain, east: Workload, west: Workload, eventually: Eventually
) -> None:
    store = BundleStore(HOME)
    sources = [AgentSource("east", east.address, HOME), AgentSource("west", west.address, HOME)]
    async with following(store, *sources):
        await eventually(lambda: have_told(store, 2))
        before = keys(store)
        for name in ("west", "east"):
            await sandbox.clusters[name].stop()
            number = [status.name for status in store.statuses()].index(name)
            await eventually(lambda number=number: not store.statuses()[number].state.connected)
            assert keys(store) == before
        (old,) = before
        new = sandbox.jwt.prepare()
        sandbox.jwt.revoke(old)
        await sandbox.clusters["west"].start()
        await eventually(lambda: keys(store) == {new})
        assert not store.statuses()[0].state.connected


async def test_an_authenticated_empty_set_empties_the_bundle(
    sandbox: SandboxTrustDomain, east: Workload, west: Workload, eventually: Eventually
) -> None:
    store = BundleStore(HOME)
    sources = [AgentSource("east", east.address, HOME), AgentSource("west", west.address, HOME)]
    async with following(store, *sources):
        await eventually(lambda: have_told(store, 2))
        (key,) = keys(store)
        sandbox.jwt.revoke(key)
        await eventually(lambda: keys(store) == set())
        assert store.bundle is not None


async def test_a_cluster_of_another_trust_domain_is_named_and_harms_nothing(
    east: Workload, eventually: Eventually
) -> None:
    async with SandboxTrustDomain("other.example") as other:
        stranger = await (await other.start_cluster("c")).add_workload(
            "w", Entry("spiffe://other.example/w")
        )
        store = BundleStore(HOME)
        async with following(
            store,
            AgentSource("east", east.address, HOME),
            AgentSource("stranger", stranger.address, HOME),
        ):
            await eventually(lambda: store.bundle and store.statuses()[1].state.last_error)
            error = store.statuses()[1].state.last_error
            assert isinstance(error, TrustDomainMismatch)
            assert store.statuses()[0].state.last_error is None
            assert len(keys(store)) == 1


async def test_a_message_about_another_trust_domain_says_nothing_of_ours(
    sandbox: SandboxTrustDomain, east: Workload, cluster: Cluster, eventually: Eventually
) -> None:
    """An agent that lags writes again because a federated bundle has changed."""
    async with SandboxTrustDomain("partner.example") as partner:
        sandbox.federate(partner)
        west = await sandbox.start_cluster("west")
        lagging = await west.add_workload(
            "w", Entry("spiffe://example.org/w", federates_with=("partner.example",))
        )
        store = BundleStore(HOME)
        sources = [
            AgentSource("east", east.address, HOME),
            AgentSource("west", lagging.address, HOME),
        ]
        async with following(store, *sources):
            await eventually(lambda: have_told(store, 2))
            own = west.agent.bundle
            west.hold_bundles()
            new = sandbox.jwt.prepare()
            await eventually(lambda: new in keys(store))
            await cluster.stop()
            await eventually(lambda: not store.statuses()[0].state.connected)
            received_at = store.statuses()[1].received_at
            partner.jwt.prepare()
            west.agent.synchronize(own, {"partner.example": partner.bundle})
            lagging.changes.notify()
            await eventually(lambda: store.statuses()[1].received_at != received_at)
            assert new in keys(store)


async def soon(value: Any) -> Any:
    return await asyncio.wait_for(value, 5.0)
