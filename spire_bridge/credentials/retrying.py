"""Token calls that are tried again while an endpoint says that it can't answer for now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError
from spire_bridge.transport.backoff import Backoff

T = TypeVar("T")


class TryAgain(BridgeError):
    """An endpoint answered that it can't say now: too many calls, or trouble of its own."""

    code = "TRY_AGAIN"
    exit_status = EXIT_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Retrying:
    """Repeats what ends with `TryAgain`; no attempt begins after `timeout_seconds`."""

    timeout_seconds: float
    new_backoff: Callable[[], Backoff] = field(default=lambda: Backoff(0.25, 4.0), repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def __call__(self, attempt: Callable[[], T]) -> T:
        """What `attempt` returns. Raises what it raises, the last `TryAgain` included."""
        deadline, backoff = self.clock() + self.timeout_seconds, self.new_backoff()
        while True:
            try:
                return attempt()
            except TryAgain:
                delay = backoff.next_delay()
                if self.clock() + delay >= deadline:
                    raise
                self.sleep(delay)
