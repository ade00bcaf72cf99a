"""The newest value of a watch, held for whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar

from spire_bridge.bundles.source import SourceState, StateListener
from spire_bridge.errors import BridgeError
from spire_bridge.transport.rpc_errors import DeadlineExceeded, PermissionDenied, Unavailable
from spire_bridge.workload.watch import Watch


class Keeping(Protocol):
    """A value of which some parts may have been refused."""

    def keeping(self, before: Any) -> Any:
        """This value, with the refused parts as they were in `before`."""
        ...


T = TypeVar("T", bound=Keeping)


class OpenWatch(Protocol[T]):
    """What starts a watch: a bound `WorkloadClient.watch_…` method."""

    def __call__(self, on_state: StateListener | None = None) -> Watch[T]: ...


class Latest(Generic[T]):
    """Runs a watch in the background, as an async context manager.

    Entering waits up to `start_timeout` seconds for the first value, and then raises what
    the agent last answered; an answer that is final is raised at once. Losing the
    connection keeps the value, and a part of it that is refused stays as it was; being
    denied drops it (Workload API, section 4.4: absence is redaction).
    """

    def __init__(self, open_watch: OpenWatch[T], *, start_timeout: float) -> None:
        self._watch = open_watch(self._on_state)
        self._start_timeout = start_timeout
        self._value: T | None = None
        self._error: BridgeError | None = None
        self._heard = asyncio.Event()  # the agent has answered, or can't be asked
        self._settled = asyncio.Event()  # a first value or a final error is here
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Has `listener` called whenever a value arrives or is dropped.

        Calling what is returned ends that.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def state(self) -> SourceState:
        return self._watch.state

    @property
    def value(self) -> T:
        """The newest value. Raises `PermissionDenied` once denied, else why there is none."""
        if self._value is not None:
            return self._value
        error = self._error or Unavailable("the agent has not answered yet")
        raise error.with_traceback(None)  # or it would grow each time

    async def heard(self) -> None:
        """Returns once there is a value, or a reason why there is none."""
        await self._heard.wait()

    async def changed(self) -> None:
        """Returns when a value has arrived, or been dropped, after this call."""
        await self._changed.wait()

    def start(self) -> None:
        """Begins to watch without waiting; begins again after an answer that was final."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="workload-watch")

    async def __aenter__(self) -> Self:
        self.start()
        try:
            await self._wait_for_the_first()
            _ = self.value
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Ends the watch; the last value stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._watch.close()

    async def _wait_for_the_first(self) -> None:
        try:
            async with asyncio.timeout(self._start_timeout):
                await self._settled.wait()
        except TimeoutError:
            self._error = self._error or DeadlineExceeded(
                f"the agent sent nothing within {self._start_timeout:g} s",
                hint="look at the agent's log",
            )

    async def _run(self) -> None:
        try:
            async for value in self._watch:
                self._set(value if self._value is None else value.keeping(self._value))
        except BridgeError as error:  # final: the last value stays what was last said
            self._error = error
            self._heard.set()
            self._settled.set()

    def _on_state(self, state: SourceState) -> None:
        if state.last_error is None:
            return
        self._error = state.last_error
        self._heard.set()
        if isinstance(state.last_error, PermissionDenied) and self._value is not None:
            self._set(None)

    def _set(self, value: T | None) -> None:
        self._value = value
        self._heard.set()
        self._settled.set()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        for listener in tuple(self._listeners):
            listener()
