"""What wakes an issuer when a key expires and nobody has told of a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from spire_bridge.issuer.key_set import KeySet


class ExpiryTimer:
    """One callback at the next expiry of a key set; starting it anew replaces the one before."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def start(self, key_set: KeySet, now: float, callback: Callable[[], object]) -> None:
        """`now` is in seconds since the epoch, as the keys' expiry is."""
        self.cancel()
        expires_at = key_set.next_expiry(now)
        if expires_at is not None:
            loop = asyncio.get_running_loop()
            self._handle = loop.call_later(expires_at - now, callback)

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
