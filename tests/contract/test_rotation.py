"""A JWT key's life: prepared, active, tainted, revoked, as a workload sees it."""

from __future__ import annotations

import asyncio
import time

import pytest
from trust_domains.under_test import (
    PATIENCE_SECONDS,
    AgentUnderTest,
    TrustDomainUnderTest,
    eventually,
)

from spire_bridge.spiffe.errors import UntrustedSvid
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid, verify_jwt_svid
from spire_bridge.transport.rpc_errors import InvalidArgument
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.messages import BundleSet
from spire_bridge.workload.watch import Watch

pytestmark = pytest.mark.timeout(120)

JwtBundles = BundleSet[JwtBundle]


async def test_a_watch_sees_a_key_come_and_another_go(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (before,) = await client.fetch_jwt_svids(["before"])
    assert before.key_id is not None
    watch = client.watch_jwt_bundles()
    bundles = await with_keys(watch, present={before.key_id})

    prepared = await trust_domain.prepare_jwt()
    assert prepared not in key_ids(bundles)
    await with_keys(watch, present={before.key_id, prepared})

    assert await trust_domain.activate_jwt(prepared) == before.key_id
    (after,) = await client.fetch_jwt_svids(["after"])
    await trust_domain.taint_jwt(before.key_id)
    await trust_domain.revoke_jwt(before.key_id)
    bundles = await with_keys(watch, present={prepared}, absent={before.key_id})
    verify_jwt_svid(after.token, bundles, "after", time.time())
    with pytest.raises(UntrustedSvid):
        verify_jwt_svid(before.token, bundles, "before", time.time())


async def test_the_agent_refuses_a_token_once_its_key_is_revoked(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db"])
    assert svid.key_id is not None
    await client.validate_jwt_svid(svid.token, "db")
    await trust_domain.activate_jwt(await trust_domain.prepare_jwt())
    await trust_domain.taint_jwt(svid.key_id)
    await trust_domain.revoke_jwt(svid.key_id)

    async def refused() -> bool | None:
        try:
            await client.validate_jwt_svid(svid.token, "db")
        except InvalidArgument:
            return True
        return None

    assert await eventually(refused)


async def test_a_prepared_key_is_published_but_signs_nothing(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (before,) = await client.fetch_jwt_svids(["before"])
    prepared = await trust_domain.prepare_jwt()
    await with_keys(client.watch_jwt_bundles(), present={prepared})
    (still,) = await client.fetch_jwt_svids(["still"])
    assert still.key_id == before.key_id != prepared


async def test_an_activated_key_signs_new_tokens_and_taint_replaces_the_cached_ones(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    await agent.register("/web")
    (cached,) = await client.fetch_jwt_svids(["cached"])
    prepared = await trust_domain.prepare_jwt()
    former = await trust_domain.activate_jwt()
    assert former == cached.key_id
    (fresh,) = await client.fetch_jwt_svids(["fresh"])
    assert fresh.key_id == prepared
    (unchanged,) = await client.fetch_jwt_svids(["cached"])
    assert unchanged.token == cached.token

    await trust_domain.taint_jwt(former)

    async def replaced() -> UnverifiedJwtSvid | None:
        (svid,) = await client.fetch_jwt_svids(["cached"])
        return svid if svid.key_id != former else None

    assert (await eventually(replaced)).key_id == prepared
    await client.validate_jwt_svid(cached.token, "cached")  # tainted is not yet revoked
    bundles = await client.fetch_jwt_bundles()
    assert former in key_ids(bundles)


async def test_both_clusters_see_a_prepared_key(
    trust_domain: TrustDomainUnderTest, agent: AgentUnderTest, client: WorkloadClient
) -> None:
    other_agent = await trust_domain.agent("west")
    await asyncio.gather(agent.register("/web"), other_agent.register("/web"))
    async with WorkloadClient(other_agent.address, timeout=10.0) as other_client:
        watches = (client.watch_jwt_bundles(), other_client.watch_jwt_bundles())
        prepared = await trust_domain.prepare_jwt()
        await asyncio.gather(*(with_keys(watch, present={prepared}) for watch in watches))


async def with_keys(
    watch: Watch[JwtBundles], *, present: set[str], absent: frozenset[str] | set[str] = frozenset()
) -> JwtBundles:
    """The first bundles of the watch that have the one keys and not the others."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for bundles in watch:
            if key_ids(bundles) >= present and key_ids(bundles).isdisjoint(absent):
                return bundles
    raise AssertionError("a watch never ends by itself")


def key_ids(bundles: JwtBundles) -> set[str]:
    return {key_id for bundle in bundles.values() for key_id in bundle.authorities}
