"""Keeping one output fresh."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from spire_bridge.errors import BridgeError
from spire_bridge.helper.alarm import Alarm
from spire_bridge.helper.edition import Edition
from spire_bridge.helper.follow_up import FollowingUp
from spire_bridge.helper.output import Output, OutputState
from spire_bridge.transport.backoff import Backoff

_log = logging.getLogger(__name__)

# Threads of their own: those of the event loop may all wait for endpoints that don't answer.
_WRITERS = ThreadPoolExecutor(4, thread_name_prefix="write")

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0


class Defect(BridgeError):
    """An output failed in a way that nobody has thought of."""

    code = "DEFECT"


class Keeper:
    """Writes an output whenever it is due, and tries again for ever when that fails.

    An edition that is the same as the one before is neither written nor followed up.
    `on_state` hears of every attempt.
    """

    def __init__(
        self,
        output: Output,
        alarm: Alarm,
        *,
        clock: Callable[[], float] = time.time,
        on_state: Callable[[Keeper], None] = lambda _: None,
    ) -> None:
        self.output = output
        self.state = OutputState()
        self._alarm = alarm
        self._clock = clock
        self._on_state = on_state
        self._following_up = [FollowingUp(follow_up, output.name) for follow_up in output.after]
        self._edition: Edition | None = None
        self._backoff = Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        self._wake = asyncio.Event()
        self._unsubscribe = output.content.on_change(self._wake.set)

    async def run(self) -> None:
        """Keeps the output, for ever."""
        try:
            while True:
                self._wake.clear()
                try:
                    renew_at = await self.renew()
                except BridgeError:
                    renew_at = self._clock() + self._backoff.next_delay()
                else:
                    self._backoff.reset()
                self._alarm.set(self._wake, renew_at)
                await self._wake.wait()
        finally:
            self._unsubscribe()
            self._alarm.set(self._wake, None)
            for following_up in self._following_up:
                following_up.stop()

    async def renew(self) -> float | None:
        """One attempt; returns when the next is due. Raises the `BridgeError` it failed with."""
        try:
            edition = await self.output.content.obtain()
            if self._edition is None or edition.contents != self._edition.contents:
                await self._put(edition)
                self._written(edition)
            else:
                self._confirmed(edition)
        except BridgeError as error:
            self._failed(error)
            raise
        except Exception as error:  # a defect is one output's trouble, and has to be seen
            _log.exception("output failed for a defect", extra={"output": self.output.name})
            failure = Defect(f"a defect: {type(error).__name__}; the log says where")
            self._failed(failure)
            raise failure from error
        return edition.renew_at

    async def _put(self, edition: Edition) -> None:
        """A write that has begun is waited for, or a later one could be overtaken by it."""
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(_WRITERS, self.output.place.put, edition.contents)
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise

    def _written(self, edition: Edition) -> None:
        self._edition = edition
        now = self._clock()
        self._set(
            replace(
                self.state,
                written_at=now,
                confirmed_at=now,
                expires_at=edition.expires_at,
                error=None,
                writes=self.state.writes + 1,
            )
        )
        _log.info("output written", extra={"output": self.output.name})
        for following_up in self._following_up:
            following_up.begin()

    def _confirmed(self, edition: Edition) -> None:
        self._edition = edition
        self._set(
            replace(
                self.state,
                confirmed_at=self._clock(),
                expires_at=edition.expires_at,
                error=None,
            )
        )

    def _failed(self, error: BridgeError) -> None:
        before = self.state.error
        self._set(replace(self.state, error=error, failures=self.state.failures + 1))
        # What goes wrong in the same way again is no news; the first time is.
        level = logging.DEBUG if before and before.code == error.code else logging.WARNING
        _log.log(
            level,
            "output was not renewed",
            extra={
                "output": self.output.name,
                "code": error.code,
                "reason": error.message,
                "hint": error.hint,
            },
        )

    def _set(self, state: OutputState) -> None:
        self.state = state
        self._on_state(self)
