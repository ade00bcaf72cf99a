"""The trust domains that every contract test runs on: the sandbox, and real SPIRE."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from trust_domains.real_spire import SpireTrustDomain
from trust_domains.sandboxed import SandboxUnderTest
from trust_domains.spire_or_skip import running_spire
from trust_domains.spire_processes import SpireServer
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

from spire_bridge.workload.client import WorkloadClient

NAME = "contract.test"
ISSUER = "https://issuer.contract.test"


@pytest.fixture(scope="module")
def spire_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpireServer]:
    """One SPIRE server for a module; its logs and its agents' stay in pytest's folder."""
    with running_spire(NAME, ISSUER, tmp_path_factory.mktemp("spire")) as server:
        yield server


@pytest.fixture(params=["sandbox", "spire"])
async def trust_domain(request: pytest.FixtureRequest) -> AsyncIterator[TrustDomainUnderTest]:
    if request.param == "spire":
        real = SpireTrustDomain(request.getfixturevalue("spire_server"))
        try:
            yield real
        finally:
            await real.close()
    else:
        async with SandboxUnderTest(NAME, ISSUER) as sandbox:
            yield sandbox


@pytest.fixture
async def agent(trust_domain: TrustDomainUnderTest) -> AgentUnderTest:
    """The agent of a first cluster, with no entry yet."""
    return await trust_domain.agent("east")


@pytest.fixture
async def client(agent: AgentUnderTest) -> AsyncIterator[WorkloadClient]:
    async with WorkloadClient(agent.address, timeout=10.0) as client:
        yield client
