"""A first agent of the trust domain that a contract test runs on, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

from spire_bridge.workload.client import WorkloadClient


@pytest.fixture
async def agent(trust_domain: TrustDomainUnderTest) -> AgentUnderTest:
    """The agent of a first cluster, with no entry yet."""
    return await trust_domain.agent("east")


@pytest.fixture
async def client(agent: AgentUnderTest) -> AsyncIterator[WorkloadClient]:
    async with WorkloadClient(agent.address, timeout=10.0) as client:
        yield client
