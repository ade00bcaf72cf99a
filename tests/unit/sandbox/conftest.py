"""A clock to drive, and a stub for the workload of the shared fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from trust_domains.plain_client import plain_stub

from spire_bridge._proto.workload_pb2_grpc import SpiffeWorkloadAPIStub
from spire_bridge.sandbox.workload import Workload


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def stub(workload: Workload) -> AsyncIterator[SpiffeWorkloadAPIStub]:
    async with plain_stub(workload.address) as stub:
        yield stub
