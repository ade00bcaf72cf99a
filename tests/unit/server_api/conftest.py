"""A sandbox's server, and patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from spire_bridge.sandbox.server_api import ServerApi
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain


@pytest.fixture
async def server(sandbox: SandboxTrustDomain) -> ServerApi:
    """The server of example.org."""
    await sandbox.start_server_api()
    return sandbox.server_api


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """Waits until a condition holds, and returns what it said."""

    async def wait(condition: Callable[[], Any], *, within: float = 5.0) -> Any:
        async with asyncio.timeout(within):
            while not (value := condition()):  # noqa: ASYNC110 — there is nothing to wait on
                await asyncio.sleep(0.005)
            return value

    return wait
