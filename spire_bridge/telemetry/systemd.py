"""What a service tells systemd of itself (sd_notify(3)), where it runs under it.

Without `NOTIFY_SOCKET` nothing is sent.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

_MICROSECONDS = 1_000_000
# For what is said once: systemd's queue may be full of what it has not read yet.
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Notifier:
    """`address` is the socket's, None for none; a ping is due each `watchdog_seconds`, if any."""

    address: str | None = None
    watchdog_seconds: float | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """As systemd says it, if it says it to this process."""
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        watchdog = None
        with suppress(ValueError):
            if environment.get("WATCHDOG_PID", "") in {"", str(os.getpid())}:
                # Half of it, as sd_watchdog_enabled(3) recommends.
                watchdog = int(environment.get("WATCHDOG_USEC", "")) / _MICROSECONDS / 2
        return cls(address, watchdog or None)

    def ready(self, status: str = "") -> None:
        """It serves, or serves again after a reload."""
        self._send("READY=1", *_status(status), patience_seconds=_PATIENCE_SECONDS)

    def reloading(self) -> None:
        """It reads its configuration again; `ready` has to follow."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", patience_seconds=_PATIENCE_SECONDS)

    def stopping(self) -> None:
        self._send("STOPPING=1", patience_seconds=_PATIENCE_SECONDS)

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(*_status(text))

    async def watchdog(self) -> None:
        """Tells, for ever, that the event loop turns; ends at once where nobody asks."""
        while self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds)

    def _send(self, *lines: str, patience_seconds: float = 0.0) -> None:
        if self.address is None:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        # Who listens is gone or busy: that is no reason to fail.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(patience_seconds)
            sender.sendto("\n".join(lines).encode(), address)


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={text}",) if text else ()
