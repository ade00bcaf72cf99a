"""A change that many streams wait for."""

from __future__ import annotations

import asyncio


class ChangeSignal:
    """Wakes every waiter at each `notify`.

    A waiter takes `upcoming` before it looks at the state and waits on it afterwards, so a
    change in between is not missed.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def upcoming(self) -> asyncio.Event:
        return self._event

    def notify(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()
