"""What the whole suite shares: a sandbox to talk to, and a header that names SPIRE if found."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from trust_domains.spire_processes import SpireBinaries

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload


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
