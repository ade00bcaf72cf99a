"""A helper at work over the sandbox; what it tells is searched for secrets after each test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from helper_at_work import Helper, HelperConfig, helping
from secrets_sought import SecretsSought

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload


@pytest.fixture
def sought(sandbox: SandboxTrustDomain) -> SecretsSought:
    sought = SecretsSought()
    sought.follow(sandbox)
    return sought


@pytest.fixture
async def two_hints(sought: SecretsSought, cluster: Cluster) -> Workload:
    """A workload of two identities, told apart by their hints."""
    return await cluster.add_workload(
        "two",
        Entry("spiffe://example.org/internal", hint="internal"),
        Entry("spiffe://example.org/external", hint="external"),
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where outputs go."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


Configure = Callable[..., HelperConfig]


@pytest.fixture
def configure(sought: SecretsSought, workload: Workload, tmp_path: Path) -> Configure:
    def configure(*outputs: dict[str, Any], address: str = "", **others: Any) -> HelperConfig:
        own = tmp_path / "helper"
        own.mkdir(exist_ok=True)
        return HelperConfig(own, address or workload.address, list(outputs), others)

    return configure


@pytest.fixture
async def start(sought: SecretsSought) -> AsyncIterator[Callable[..., Any]]:
    """Starts a helper; at the end, no secret may be in what it has told."""
    helpers: list[Helper] = []
    async with AsyncExitStack() as stack:

        async def start(config: HelperConfig, umask: int = 0o022, **changes: str) -> Helper:
            before = os.umask(umask)
            try:
                helper = await stack.enter_async_context(helping(config, **changes))
            finally:
                os.umask(before)
            helpers.append(helper)
            return helper

        yield start
        for helper in helpers:
            if sought.pieces:
                sought.check(*await helper.everything_said())
