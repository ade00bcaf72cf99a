"""The open connections of one listener: their number, their times and their common end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from spire_bridge.listen.http import Handler
from spire_bridge.listen.limits import Limits

# Between two looks whether the last answers were taken: nothing tells.
_LOOK_SECONDS = 0.02


class Closable(Protocol):
    """A connection, as its end sees it."""

    deadline: float  # by the event loop's clock

    def retire(self) -> None:
        """Ends the connection if nothing is asked or answered on it."""
        ...

    def settle(self) -> None:
        """Dismisses the connection if the last answer was taken."""
        ...

    def abort(self) -> None:
        """Ends the connection, whatever is going on."""
        ...


@dataclass(slots=True)
class Connections:
    """Connections from their arrival on; while draining, each ends as soon as it may."""

    handler: Handler
    limits: Limits
    arriving: int = 0  # accepted, and not yet through their handshake
    open: set[Closable] = field(default_factory=set)
    dismissed: set[Closable] = field(default_factory=set)  # told to go, and owed nothing
    grace_seconds: float | None = None  # while draining
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def full(self) -> bool:
        held = self.arriving + len(self.open) + len(self.dismissed)
        return held >= self.limits.max_connections

    @property
    def draining(self) -> bool:
        return self.grace_seconds is not None

    def arrive(self) -> None:
        """A connection was accepted."""
        self.arriving += 1

    def fail(self) -> None:
        """A connection did not get through its handshake."""
        self.arriving -= 1
        self._changed.set()

    def establish(self, connection: Closable) -> None:
        """A connection can be asked on."""
        self.arriving -= 1
        self.open.add(connection)
        if self.grace_seconds is not None:
            asyncio.get_running_loop().call_later(self.grace_seconds, connection.retire)

    def dismiss(self, connection: Closable) -> None:
        """A connection was told to go, and nobody need wait until it has."""
        self.open.discard(connection)
        self.dismissed.add(connection)
        self._changed.set()

    def lose(self, connection: Closable) -> None:
        """A connection is gone."""
        self.open.discard(connection)
        self.dismissed.discard(connection)
        self._changed.set()

    def close_overdue(self, now: float) -> None:
        """Ends the connections whose time is over, by the event loop's clock."""
        for connection in [c for c in (*self.open, *self.dismissed) if c.deadline <= now]:
            connection.abort()

    def drain(self, grace_seconds: float) -> None:
        """From now on answers are the last ones, and who asks nothing for so long has to go."""
        self.grace_seconds = grace_seconds
        for connection in list(self.open):
            asyncio.get_running_loop().call_later(grace_seconds, connection.retire)

    async def answered(self) -> None:
        """Returns once nobody waits for a handshake or an answer."""
        while self.arriving or self.open:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._changed.wait()
            for connection in list(self.open):
                connection.settle()

    async def gone(self) -> None:
        """Returns once nobody is connected."""
        while self.arriving or self.open or self.dismissed:
            self._changed.clear()
            await self._changed.wait()

    def abort(self) -> None:
        for connection in (*self.open, *self.dismissed):
            connection.abort()
