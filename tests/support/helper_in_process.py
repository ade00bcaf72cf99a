"""The helper's service in this process, with a clock that is set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from spire_bridge.helper.output import OutputState
from spire_bridge.service.helping.service import HelperService
from spire_bridge.service.settings.helper import HelperSettings

PATIENCE_SECONDS = 30.0


def helper_settings(address: str, *outputs: dict[str, Any], **others: Any) -> HelperSettings:
    document = {"outputs": outputs, "workload_api": {"address": address}, **others}
    return msgspec.convert(document, HelperSettings)


class HelperInProcess:
    """What a test may see and do: states, and the ring of the clock."""

    def __init__(self, service: HelperService) -> None:
        self.service = service

    def state(self, name: str) -> OutputState:
        return self.service._engine.states[name]

    @property
    def states(self) -> list[OutputState]:
        return list(self.service._engine.states.values())

    async def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, self.states[:3]
            await asyncio.sleep(0.005)

    async def ring(self) -> None:
        """Has what is due begin; returns once every output waits for its time again."""
        self.service._engine.ring()
        await self.until(lambda: len(self.service._engine._alarm._due) == len(self.states))


@asynccontextmanager
async def helping_here(
    settings: HelperSettings, clock: Callable[[], float] = time.time
) -> AsyncIterator[HelperInProcess]:
    service = HelperService(settings, clock=clock)
    async with service.running():
        yield HelperInProcess(service)
