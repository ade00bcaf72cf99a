"""What the whole suite shares: repeatable property tests, a sandbox, and SPIRE's version."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator

import pytest
from hypothesis import settings
from trust_domains.spire_processes import SpireBinaries

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

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
