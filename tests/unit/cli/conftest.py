"""A workload of the sandbox, asked by processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from command_line import Ended, run

from spire_bridge.sandbox.workload import Workload

Cli = Callable[..., Awaitable[Ended]]


@pytest.fixture
def cli(workload: Workload) -> Cli:
    """Runs a command with `SPIFFE_ENDPOINT_SOCKET` at the shared workload's agent."""

    async def call(*arguments: str, given: bytes = b"", **changes: str) -> Ended:
        where = {"SPIFFE_ENDPOINT_SOCKET": workload.address}
        return await run(*arguments, given=given, **(where | changes))

    return call
