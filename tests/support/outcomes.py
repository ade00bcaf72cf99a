"""What two clients make of the same call, so that it can be compared."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from spire_bridge.errors import BridgeError
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.one_shot import fetch_jwt_svids


async def outcome(call: Awaitable[Any]) -> Any:
    """The values, or all that a user sees of the error."""
    try:
        return await call
    except BridgeError as error:
        return type(error), error.code, error.message, error.hint, error.exit_status


async def of_client(address: str, audience: Any, *, timeout: float = 10.0, **which: Any) -> Any:  # noqa: ASYNC109
    async def fetch() -> Any:
        async with WorkloadClient(address, timeout=timeout) as client:
            return await client.fetch_jwt_svids(audience, **which)

    return await outcome(fetch())


async def of_one_shot(
    address: str,
    audience: Any,
    fetch: Callable[..., Any] = fetch_jwt_svids,
    **options: Any,
) -> Any:
    """In a thread, since it blocks and the agent may be in this process."""
    return await outcome(asyncio.to_thread(fetch, audience, address=address, **options))
