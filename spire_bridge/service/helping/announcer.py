"""What is told of all outputs together: to the log, and to systemd."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping

from spire_bridge.helper.output import OutputState
from spire_bridge.telemetry.systemd import Notifier

_log = logging.getLogger(__name__)

_STATUS_SECONDS = 0.1


class Announcer:
    """Says once that every output was written, and after that how they are."""

    def __init__(
        self,
        states: Callable[[], Mapping[str, OutputState]],
        notifier: Notifier,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._states = states
        self._notifier = notifier
        self._clock = clock
        self._announced = False
        self._telling: asyncio.TimerHandle | None = None

    @property
    def summary(self) -> str:
        """One line on all outputs."""
        now = self._clock()
        states = self._states()
        conditions = Counter(state.condition(now) for state in states.values())
        others = "".join(f", {n} {c}" for c, n in sorted(conditions.items()) if c != "fresh")
        return f"{conditions['fresh']} of {len(states)} outputs fresh{others}"

    def tell(self) -> None:
        """To be called when the state of an output has changed."""
        written = all(state.written_at is not None for state in self._states().values())
        if written and not self._announced:
            self._announced = True
            _log.info("all outputs are written")
            self._notifier.ready(self.summary)
        elif self._notifier.address is not None and self._telling is None:
            # A thousand outputs change together, and it is one line that they change.
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(_STATUS_SECONDS, self._tell_status)

    def _tell_status(self) -> None:
        self._telling = None
        self._notifier.status(self.summary)
