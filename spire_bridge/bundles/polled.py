"""The state of a source that is looked at again and again, and whether there is news."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from spire_bridge.bundles.source import SourceState, StateListener
from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.bundle import Bundle

_log = logging.getLogger(__name__)


class Polled:
    """Reports the outcome of each look at a source, and remembers what it told last."""

    def __init__(
        self, name: str, on_state: StateListener, clock: Callable[[], float] = time.time
    ) -> None:
        self._name = name
        self._on_state = on_state
        self._clock = clock
        self._state = SourceState(connected=False, since=clock())
        self._last: Bundle | None = None
        self._lost = True  # and nothing good has been told since

    def told(self, bundle: Bundle) -> bool:
        """Reports a good answer; whether it is news: a change, or the first since a loss."""
        news = self._lost or bundle != self._last
        self._last, self._lost = bundle, False
        self._report(connected=True, error=None)
        if news:
            for skipped in bundle.jwt.skipped:
                _log.warning(
                    "key was left out",
                    extra={
                        "source": self._name,
                        "key_id": skipped.key_id,
                        "reason": skipped.reason,
                    },
                )
        return news

    def refused(self, error: BridgeError) -> None:
        """Reports an answer that is not accepted; the one before it stays the last good one."""
        self._report(connected=True, error=error)

    def lost(self, error: BridgeError) -> None:
        """Reports that there is no answer."""
        self._lost = True
        self._report(connected=False, error=error)

    def _report(self, *, connected: bool, error: BridgeError | None) -> None:
        since = self._state.since if connected == self._state.connected else self._clock()
        self._state = SourceState(connected, since, error)
        self._on_state(self._state)
