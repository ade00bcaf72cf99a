"""Two clusters with an agent each: one trust domain, one issuer, one set of keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

from spire_bridge.spiffe.errors import UntrustedSvid
from spire_bridge.spiffe.jwt_svid import verify_jwt_svid
from spire_bridge.transport.rpc_errors import PermissionDenied
from spire_bridge.workload.client import WorkloadClient

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def other_agent(trust_domain: TrustDomainUnderTest) -> AgentUnderTest:
    return await trust_domain.agent("west")


@pytest.fixture
async def other_client(other_agent: AgentUnderTest) -> AsyncIterator[WorkloadClient]:
    async with WorkloadClient(other_agent.address, timeout=10.0) as client:
        yield client


async def test_a_token_of_one_cluster_is_verified_with_the_bundle_of_either(
    agent: AgentUnderTest,
    client: WorkloadClient,
    other_agent: AgentUnderTest,
    other_client: WorkloadClient,
) -> None:
    await asyncio.gather(agent.register("/web"), other_agent.register("/db"))
    (svid,) = await client.fetch_jwt_svids(["db"])
    bundles = await client.fetch_jwt_bundles()
    other_bundles = await other_client.fetch_jwt_bundles()
    assert dict(bundles) == dict(other_bundles)
    for trusted in (bundles, other_bundles):
        assert verify_jwt_svid(svid.token, trusted, "db", time.time()).spiffe_id == svid.spiffe_id
        with pytest.raises(UntrustedSvid):
            verify_jwt_svid(svid.token, trusted, "cache", time.time())


async def test_a_token_of_one_cluster_is_validated_by_the_agent_of_the_other(
    agent: AgentUnderTest, client: WorkloadClient, other_client: WorkloadClient
) -> None:
    await agent.register("/web")
    (svid,) = await client.fetch_jwt_svids(["db"])
    validated = await other_client.validate_jwt_svid(svid.token, "db")
    assert validated.spiffe_id == svid.spiffe_id


async def test_both_clusters_have_one_issuer_and_one_signing_key(
    trust_domain: TrustDomainUnderTest,
    agent: AgentUnderTest,
    client: WorkloadClient,
    other_agent: AgentUnderTest,
    other_client: WorkloadClient,
) -> None:
    await asyncio.gather(agent.register("/web"), other_agent.register("/web"))
    (here,) = await client.fetch_jwt_svids(["db"])
    (there,) = await other_client.fetch_jwt_svids(["db"])
    assert here.spiffe_id == there.spiffe_id
    assert here.issuer == there.issuer == trust_domain.issuer
    assert here.key_id == there.key_id


async def test_an_entry_of_one_cluster_is_none_of_the_other(
    agent: AgentUnderTest, other_client: WorkloadClient
) -> None:
    spiffe_id = await agent.register("/web")
    with pytest.raises(PermissionDenied):
        await other_client.fetch_jwt_svids(["db"], spiffe_id=spiffe_id)
