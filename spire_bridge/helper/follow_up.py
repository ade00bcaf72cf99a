"""What is done after a change: run a command, signal a process named by a file."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.helper.output import FollowUp
from spire_bridge.transport.backoff import Backoff

_log = logging.getLogger(__name__)

_MAX_PID_FILE_BYTES = 64
# As long as spiffe-helper has a process take to write its pid file: about a minute.
_PID_FILE_ATTEMPTS = 10


class FollowUpFailed(BridgeError):
    """What was to be done after a change could not be done, or not with success."""

    code = "FOLLOW_UP_FAILED"


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Runs a program to its end, without a shell; its output goes where ours goes."""

    command: tuple[str, ...]
    timeout_seconds: float = 60.0

    async def __call__(self) -> None:
        """Raises `FollowUpFailed` if it can't be started, fails, or takes too long."""
        name = self.command[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "that names no program"
            raise FollowUpFailed(f"{name} can't be run: {reason}") from None
        try:
            async with asyncio.timeout(self.timeout_seconds):
                status = await process.wait()
        except TimeoutError:
            raise FollowUpFailed(
                f"{name} did not end within {self.timeout_seconds:g} s and was killed"
            ) from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if status != 0:
            raise FollowUpFailed(f"{name} ended with status {status}")


@dataclass(frozen=True, slots=True)
class SignalPidFile:
    """Signals the process whose number a file holds, which is read anew each time."""

    pid_file: Path
    signal: signal.Signals
    attempts: int = _PID_FILE_ATTEMPTS

    async def __call__(self) -> None:
        """Tries for about a minute while that fails. Raises `FollowUpFailed`."""
        backoff = Backoff(initial=0.2, maximum=60.0)
        for _ in range(self.attempts - 1):
            with suppress(FollowUpFailed):
                self._signal()
                return
            await asyncio.sleep(backoff.next_delay())
        self._signal()

    def _signal(self) -> None:
        try:
            content = read_limited(self.pid_file, max_bytes=_MAX_PID_FILE_BYTES).strip()
            pid = int(content) if content.isdigit() else 0
            if pid <= 0:  # 0 and below would signal groups of processes
                raise FollowUpFailed(f"{self.pid_file} holds no number of a process")
            os.kill(pid, self.signal)
        except (FileFailure, OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise FollowUpFailed(
                f"the process of {self.pid_file} can't be signalled: {reason}"
            ) from None


class FollowingUp:
    """Does one thing after changes: one at a time, and once more for what came meanwhile."""

    def __init__(self, follow_up: FollowUp, output: str) -> None:
        self._follow_up = follow_up
        self._output = output
        self._again = False
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"after {self._output}")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._again:
            self._again = False
            try:
                await self._follow_up()
            except BridgeError as error:
                _log.error(
                    "what follows a change failed",
                    extra={"output": self._output, "code": error.code, "reason": error.message},
                )
