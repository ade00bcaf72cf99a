"""Entries and agents that come and go while a workload is watching."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from trust_domains.under_test import PATIENCE_SECONDS, AgentUnderTest, eventually

from spire_bridge.transport.rpc_errors import PermissionDenied, Unavailable
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.jwt_source import JwtSource
from spire_bridge.workload.watch import Watch

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["watch_jwt_bundles", "watch_x509_context", "watch_x509_bundles"])
def watch(request: pytest.FixtureRequest, client: WorkloadClient) -> Watch[Any]:
    opened: Watch[Any] = getattr(client, request.param)()
    return opened


async def test_a_watch_outlives_its_agent(agent: AgentUnderTest, watch: Watch[Any]) -> None:
    await agent.register("/web")
    before = await soon(anext(watch))
    assert watch.state.connected
    assert watch.state.last_error is None

    with in_background(watch) as reading:
        await agent.stop()
        await eventually(lambda: disconnected_by(watch, Unavailable))
        assert not reading.done()
        await agent.start()
        after = await soon(reading)
    assert watch.state.connected
    assert watch.state.last_error is None
    assert trust_of(after) == trust_of(before)


async def test_a_watch_begun_before_its_entry_delivers_once_there_is_one(
    agent: AgentUnderTest, watch: Watch[Any]
) -> None:
    with in_background(watch) as reading:
        await eventually(lambda: disconnected_by(watch, PermissionDenied))
        assert not reading.done()
        await agent.register("/web")
        assert trust_of(await soon(reading))
    assert watch.state.connected
    assert watch.state.last_error is None


async def test_a_watch_is_told_that_its_entry_was_deleted(
    agent: AgentUnderTest, watch: Watch[Any]
) -> None:
    spiffe_id = await agent.register("/web")
    await soon(anext(watch))
    with in_background(watch):
        await agent.deregister(spiffe_id)
        await eventually(lambda: disconnected_by(watch, PermissionDenied))


async def test_a_second_identity_is_added_to_a_running_watch_and_taken_away(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    first = await agent.register("/first")
    watch = client.watch_x509_context()

    async def identities(expected: set[str]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for context in watch:
                if {str(svid.spiffe_id) for svid in context.svids} == expected:
                    return

    await identities({first})
    second = await agent.register("/second")
    await identities({first, second})
    await agent.deregister(second)
    await identities({first})


async def test_calls_fail_while_the_agent_is_away_and_succeed_on_its_return(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    await client.fetch_jwt_svids(["db"])
    await agent.stop()
    with pytest.raises(Unavailable):
        await client.fetch_jwt_svids(["db"])
    with pytest.raises(Unavailable):
        await client.fetch_jwt_bundles()
    await agent.start()

    async def answered() -> bool | None:
        try:
            await client.fetch_jwt_svids(["db"])
            await client.fetch_jwt_bundles()
        except Unavailable:
            return None  # gRPC waits half a second at most before it connects again
        return True

    assert await eventually(answered, within_seconds=3.0)


async def test_a_source_keeps_a_valid_token_while_the_agent_is_away(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web", jwt_ttl=6)
    async with JwtSource(client) as source:
        held = await source.get("db")
        await agent.stop()
        await asyncio.sleep(max(0.0, held.expires_at - 2 - time.time()))  # renewal was due
        assert (await source.get("db")).token == held.token


async def test_a_source_drops_its_token_once_the_agent_denies_it(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    spiffe_id = await agent.register("/web", jwt_ttl=8)
    async with JwtSource(client) as source:
        held = await source.get("db")
        await agent.deregister(spiffe_id)

        async def dropped() -> float | None:
            try:
                await source.get("db")
            except PermissionDenied:
                return time.time()
            return None

        assert await eventually(dropped) < held.expires_at


async def test_a_source_finds_an_identity_by_its_hint(
    agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/internal", hint="internal")
    external = await agent.register("/external", hint="external")
    async with JwtSource(client) as source:
        svid = await source.get("db", hint="external")
        assert str(svid.spiffe_id) == external
        assert (await source.get("db", spiffe_id=external)).token == svid.token


@contextmanager
def in_background(watch: Watch[Any]) -> Iterator[asyncio.Task[Any]]:
    """Waits for the watch's next value meanwhile: a watch works while it is read."""

    async def next_value() -> Any:
        return await anext(watch)

    reading = asyncio.create_task(next_value())
    try:
        yield reading
    finally:
        reading.cancel()


async def disconnected_by(watch: Watch[Any], kind: type[Exception]) -> bool | None:
    state = watch.state
    return True if not state.connected and isinstance(state.last_error, kind) else None


async def soon(value: Any) -> Any:
    return await asyncio.wait_for(value, PATIENCE_SECONDS)


def trust_of(value: Any) -> dict[Any, Any]:
    """The bundles of a value, which is bundles itself or a context that has some."""
    return dict(getattr(value, "bundles", value))
