"""The trust domains that every contract test runs on: the sandbox, and real SPIRE."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from trust_domains.real_spire import SpireTrustDomain
from trust_domains.sandboxed import SandboxUnderTest
from trust_domains.spire_processes import SpireBinaries, SpireServer
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest

from spire_bridge.workload.client import WorkloadClient

NAME = "contract.test"
ISSUER = "https://issuer.contract.test"


@pytest.fixture(scope="module")
def spire_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpireServer]:
    """One SPIRE server for a module; its logs and its agents' stay in pytest's folder."""
    binaries = SpireBinaries.locate()
    if binaries is None:
        reason = "spire-server and spire-agent not found on PATH or in SPIRE_BIN_DIR"
        if os.environ.get("SPIRE_REQUIRED") == "1":
            pytest.fail(f"SPIRE_REQUIRED=1, but {reason}", pytrace=False)
        pytest.skip(reason)
    # Not pytest's folder: the path of a unix socket must stay below 100 bytes.
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        server = SpireServer(
            binaries,
            Path(folder),
            tmp_path_factory.mktemp("spire"),
            trust_domain=NAME,
            issuer=ISSUER,
        )
        try:
            server.start()
            yield server
        finally:
            server.stop()


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
