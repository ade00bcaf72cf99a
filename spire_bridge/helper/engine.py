"""All outputs of a process: kept fresh each by itself, or written once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from spire_bridge.errors import EXIT_NOT_PERMITTED, EXIT_UNAVAILABLE, BridgeError
from spire_bridge.files.atomic import remove_unfinished
from spire_bridge.helper.alarm import Alarm
from spire_bridge.helper.keeper import Keeper
from spire_bridge.helper.output import Output, OutputState
from spire_bridge.transport.backoff import Backoff
from spire_bridge.transport.rpc_errors import DeadlineExceeded

Clock = Callable[[], float]

# What may be had later: the agent is not there yet, or has no entry for the workload yet.
_WORTH_WAITING = frozenset({EXIT_UNAVAILABLE, EXIT_NOT_PERMITTED})


class Engine:
    """Keeps outputs fresh, as an async context manager.

    One that fails holds up no other. Leaving stops the renewals and leaves the files as they
    are. `on_state` hears of every attempt, with the output's name.
    """

    def __init__(
        self,
        *,
        clock: Clock = time.time,
        on_state: Callable[[Keeper], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._on_state = on_state
        self._alarm = Alarm(clock)
        self._keepers: dict[str, Keeper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ringing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Engine:
        self._ringing = asyncio.create_task(self._alarm.run(), name="alarm")
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._tasks.values(), *([self._ringing] if self._ringing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def keep(self, outputs: Iterable[Output]) -> None:
        """Keeps these outputs from now on, besides those that are kept by the same value."""
        wanted = {output.name: output for output in outputs}
        gone = [n for n, keeper in self._keepers.items() if wanted.get(n) is not keeper.output]
        for name in gone:
            del self._keepers[name]
            self._tasks[name].cancel()
        await asyncio.gather(*(self._tasks.pop(name) for name in gone), return_exceptions=True)
        new = {name: output for name, output in wanted.items() if name not in self._keepers}
        paths = [path for output in new.values() for path in output.place.paths]
        await asyncio.to_thread(remove_unfinished, paths)
        for name, output in new.items():
            keeper = Keeper(output, self._alarm, clock=self._clock, on_state=self._on_state)
            self._keepers[name] = keeper
            self._tasks[name] = asyncio.create_task(keeper.run(), name=f"output {name}")

    @property
    def outputs(self) -> Mapping[str, Output]:
        return {name: keeper.output for name, keeper in self._keepers.items()}

    @property
    def states(self) -> Mapping[str, OutputState]:
        return {name: keeper.state for name, keeper in self._keepers.items()}

    def all_are_written(self) -> bool:
        """Whether readers have found each output once."""
        return all(state.written_at is not None for state in self.states.values())

    def is_ready(self) -> bool:
        """Whether readers find what they can use, of every output."""
        now = self._clock()
        return all(state.is_ready(now) for state in self.states.values())

    def ring(self) -> None:
        """Wakes what is due, without waiting for the next tick."""
        self._alarm.ring()


async def write_once(
    outputs: Iterable[Output],
    *,
    timeout_seconds: float,
    clock: Clock = time.time,
    on_state: Callable[[Keeper], None] = lambda _: None,
) -> None:
    """Writes every output, waiting up to `timeout_seconds` for an agent or an entry to appear.

    Raises the `BridgeError` of an output that could not be written; the others are written
    nonetheless.
    """
    alarm = Alarm(clock)
    keepers = [
        Keeper(Output(o.name, o.content, o.place), alarm, clock=clock, on_state=on_state)
        for o in outputs
    ]
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    results = await asyncio.gather(
        *(_write(keeper, deadline) for keeper in keepers), return_exceptions=True
    )
    for failure in results:
        if failure is not None:
            raise failure


async def _write(keeper: Keeper, deadline: float) -> None:
    backoff = Backoff(initial=0.1, maximum=5.0)
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                await keeper.renew()
        except TimeoutError:
            raise keeper.state.error or DeadlineExceeded(
                f"{keeper.output.name} could not be written in time", hint="look at the agent's log"
            ) from None
        except BridgeError as error:
            pause = backoff.next_delay()
            over = asyncio.get_running_loop().time() + pause > deadline
            if over or error.exit_status not in _WORTH_WAITING:
                raise
            await asyncio.sleep(pause)
        else:
            return
