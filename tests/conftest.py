"""What the whole suite shares: repeatable property tests, a sandbox, and SPIRE beside it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings
from trust_domains.real_spire import SpireTrustDomain
from trust_domains.sandboxed import SandboxUnderTest
from trust_domains.spire_or_skip import running_spire
from trust_domains.spire_processes import SpireBinaries, SpireServer
from trust_domains.under_test import TrustDomainUnderTest

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

# Of the trust domains that a test runs on twice.
NAME = "contract.test"
ISSUER = "https://issuer.contract.test"

# A slow machine is no failure, and a suite that passed passes again. To search
# further than every run should: HYPOTHESIS_PROFILE=explore make test
settings.register_profile("ci", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


# A suite in the background of a shell inherits an ignored SIGINT, and so would its programs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    binaries = SpireBinaries.locate()
    return f"spire: {binaries.version()}, {binaries.server}" if binaries else "spire: not found"


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxTrustDomain]:
    """The trust domain example.org, without a JWT issuer."""
    async with SandboxTrustDomain("example.org") as trust_domain:
        yield trust_domain


@pytest.fixture
async def cluster(sandbox: SandboxTrustDomain) -> Cluster:
    """The sandbox's cluster "east"."""
    return await sandbox.start_cluster("east")


@pytest.fixture
async def workload(cluster: Cluster) -> Workload:
    """A workload of that cluster: spiffe://example.org/workload."""
    return await cluster.add_workload("workload", Entry("spiffe://example.org/workload"))


@pytest.fixture(scope="module")
def spire_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpireServer]:
    """One SPIRE server for a module; its logs and its agents' stay in pytest's folder."""
    with running_spire(NAME, ISSUER, tmp_path_factory.mktemp("spire")) as server:
        yield server


@pytest.fixture(params=["sandbox", "spire"])
async def trust_domain(request: pytest.FixtureRequest) -> AsyncIterator[TrustDomainUnderTest]:
    """The same test on both: the sandbox, and real SPIRE."""
    if request.param == "spire":
        real = SpireTrustDomain(request.getfixturevalue("spire_server"))
        try:
            yield real
        finally:
            await real.close()
    else:
        async with SandboxUnderTest(NAME, ISSUER) as sandbox:
            yield sandbox
