"""Waking by the wall clock, which goes on while a machine is suspended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

# The event loop's clock stands still while the machine is suspended: this is how soon after
# its return what has come due is seen.
TICK_SECONDS = 5.0


class Alarm:
    """Sets events when their time has come: one timer for all of them.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._due: dict[asyncio.Event, float] = {}
        self._sooner = asyncio.Event()

    def set(self, event: asyncio.Event, at: float | None) -> None:
        """Has `event` set at this time, instead of any earlier wish; None for never."""
        if at is None:
            self._due.pop(event, None)
        else:
            self._due[event] = at
            self._sooner.set()

    def ring(self) -> float:
        """Sets the events that are due; returns for how many seconds none will be."""
        now = self._clock()
        for event in [event for event, at in self._due.items() if at <= now]:
            del self._due[event]
            event.set()
        return min([TICK_SECONDS, *(at - now for at in self._due.values())])

    async def run(self) -> None:
        """Rings, for ever."""
        while True:
            self._sooner.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.ring()):
                    await self._sooner.wait()
