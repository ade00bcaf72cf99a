"""The side of systemd that a service tells of itself (sd_notify(3))."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Supervisor:
    """A socket for messages, and the variables that lead a service to it."""

    socket: socket.socket
    path: Path

    def variables(self, watchdog_seconds: float | None = None) -> dict[str, str]:
        variables = {"NOTIFY_SOCKET": str(self.path)}
        if watchdog_seconds is not None:
            variables["WATCHDOG_USEC"] = str(round(watchdog_seconds * 1_000_000))
        return variables

    async def told(self, message: str) -> dict[str, str]:
        """The next message that says so, such as `READY=1`; others are passed over."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                lines = (await loop.sock_recv(self.socket, 4096)).decode().splitlines()
                if message in lines:
                    return dict(line.split("=", 1) for line in lines)


@contextmanager
def supervisor() -> Iterator[Supervisor]:
    # Not pytest's folder: the path of a unix socket must stay below 100 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="sb-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
    ):
        listener.setblocking(False)
        path = Path(folder) / "notify"
        listener.bind(str(path))
        yield Supervisor(listener, path)
