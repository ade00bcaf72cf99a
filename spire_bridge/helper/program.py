"""The program that uses the outputs: started when they are there, and told of changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from spire_bridge.helper.follow_up import FollowUpFailed
from spire_bridge.transport.backoff import Backoff

_log = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 30.0
# Who has run for so long has started well: the next pause is short again.
_STEADY_SECONDS = 60.0
_KILLED_BY = 128  # as shells tell of an end by a signal


class Restart(Enum):
    """What follows when the program ends by itself."""

    NEVER = "never"  # the helper ends too, with its status
    ON_EXIT = "on-exit"  # it is started again, after pauses that grow
    ON_CHANGE = "on-change"  # it is started again at the next change, as spiffe-helper does


@dataclass(frozen=True, slots=True)
class ProgramPlan:
    """`command` is run without a shell; `signal` tells it of a change, None does not.

    It has `stop_seconds` to end after the signal that ends the helper, and is killed then.
    """

    command: tuple[str, ...]
    signal: signal.Signals | None = None
    restart: Restart = Restart.NEVER
    stop_seconds: float = 10.0


class Program:
    """A child process; calling it is the follow-up of a change.

    `may_start` is asked before the first start: the outputs that it needs may not be there.
    """

    def __init__(self, plan: ProgramPlan, may_start: Callable[[], bool] = lambda: True) -> None:
        self._plan = plan
        self._may_start = may_start
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._stopping = False
        self._backoff = Backoff(1.0, _LONGEST_PAUSE_SECONDS)
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> None:
        """Starts the program, or tells it of the change. Raises `FollowUpFailed`."""
        async with self._one_at_a_time:
            if self._stopping:
                return
            if self._is_running():
                if self._plan.signal is not None:
                    self.send(self._plan.signal)
            elif self._may_start() and (self._watching is None or self._starts_on_change()):
                await self._start()

    async def start(self) -> None:
        """Starts the program, if it has not been; the follow-up of a change it is not told of."""
        async with self._one_at_a_time:
            if self._watching is None and not self._stopping and self._may_start():
                await self._start()

    def send(self, number: signal.Signals) -> None:
        """Passes a signal on, if the program runs."""
        if self._process is not None and self._is_running():
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Ends the program: by this signal, then by force. Returns its status, None without one."""
        self._stopping = True
        async with self._one_at_a_time:  # a start that is under way is waited for
            return await self._stop(number)

    async def _stop(self, number: signal.Signals) -> int | None:
        if self._process is None:
            return None
        self.send(number)
        try:
            async with asyncio.timeout(self._plan.stop_seconds):
                status = await self._process.wait()
        except TimeoutError:
            _log.warning("program did not end and was killed", extra={"program": self._name})
            self.send(signal.SIGKILL)
            status = await self._process.wait()
        if self._watching is not None:
            self._watching.cancel()
        return _exit_status(status)

    def _is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def _starts_on_change(self) -> bool:
        return self._plan.restart is Restart.ON_CHANGE

    @property
    def _name(self) -> str:
        return self._plan.command[0]

    async def _start(self) -> None:
        try:
            # Its standard streams are ours, so that it can stand in a pipeline.
            self._process = await asyncio.create_subprocess_exec(*self._plan.command)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "that names no program"
            failure = FollowUpFailed(f"{self._name} can't be run: {reason}")
            if self._plan.restart is Restart.NEVER and not self.ended.done():
                self.ended.set_exception(failure)
            raise failure from None
        _log.info("program started", extra={"program": self._name, "pid": self._process.pid})
        self._watching = asyncio.create_task(self._watch(self._process), name=self._name)

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        started = asyncio.get_running_loop().time()
        status = _exit_status(await process.wait())
        if self._stopping:
            return
        _log.info("program ended", extra={"program": self._name, "status": status})
        if self._plan.restart is Restart.NEVER:
            self.ended.set_result(status)
        elif self._plan.restart is Restart.ON_EXIT:
            if asyncio.get_running_loop().time() - started > _STEADY_SECONDS:
                self._backoff.reset()
            await self._start_again()

    async def _start_again(self) -> None:
        while True:
            await asyncio.sleep(self._backoff.next_delay())
            try:
                async with self._one_at_a_time:
                    if not self._stopping:
                        await self._start()
            except FollowUpFailed as error:
                _log.error("program was not started again", extra={"reason": error.message})
            else:
                return


class Telling:
    """The follow-up of one output: its first edition lets the program start, the others are told.

    The program may be started by another output's follow-up: what was there by then is no
    change, and a signal at once would end a program that has not asked for it yet.
    """

    def __init__(self, program: Program, *, of_changes: bool = True) -> None:
        self._program = program
        self._of_changes = of_changes
        self._is_first = True

    async def __call__(self) -> None:
        """Raises `FollowUpFailed`."""
        is_first, self._is_first = self._is_first, False
        if is_first or not self._of_changes:
            await self._program.start()
        else:
            await self._program()


def _exit_status(returncode: int) -> int:
    return returncode if returncode >= 0 else _KILLED_BY - returncode


def signal_named(name: str) -> signal.Signals | None:
    """`HUP` or `SIGHUP`; None for what this system doesn't know."""
    with contextlib.suppress(KeyError):
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    return None
