"""Other people's programs as child processes: started, waited for and ended."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class DaemonFailed(Exception):
    """A program did not start."""


class Daemon:
    """A program that runs until it is stopped; what it writes goes to `log`.

    It inherits the environment, unless it is given one.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._arguments = arguments
        self._log = log
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, is_ready: Callable[[], bool]) -> None:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._arguments,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._process = process
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise DaemonFailed(f"{self._arguments[0]} did not start:\n{self._last_lines()}")
            time.sleep(0.05)

    def stop(self, patience_seconds: float = STOP_SECONDS) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """Ends it without a warning."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-10:])


def free_port() -> int:
    """A port that stays free until it is used: the system gives none so low to a client."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise DaemonFailed("no free port found")
