"""The helper service: outputs kept fresh, the program that uses them, their health."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from typing import Any

from spire_bridge import __version__
from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.helper.engine import Engine
from spire_bridge.helper.output import FollowUp, Output
from spire_bridge.helper.program import Program, ProgramPlan, Restart, Telling, signal_named
from spire_bridge.listen.server import serving
from spire_bridge.service.health import health_routes
from spire_bridge.service.helping.announcer import Announcer
from spire_bridge.service.helping.metrics import helper_metrics
from spire_bridge.service.helping.outputs import OutputBuilder
from spire_bridge.service.helping.sources import AgentSources
from spire_bridge.service.helping.status import output_status
from spire_bridge.service.listener import Listener, listening
from spire_bridge.service.listener_metrics import listener_metrics
from spire_bridge.service.settings.helper import HelperSettings, ProgramSettings
from spire_bridge.service.settings.outputs import OutputSettings
from spire_bridge.telemetry.metrics import exposition
from spire_bridge.telemetry.systemd import Notifier

# Connections, listeners and the child outlive a change of outputs.
_FIXED = ("workload_api", "folders", "allow_shared_folders", "program", "health", "log")


class HelperService:
    """Keeps the outputs that are configured, as `running()`; `reload` puts others in force."""

    def __init__(
        self,
        settings: HelperSettings,
        *,
        notifier: Notifier = Notifier(),  # noqa: B008 - a frozen value
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._notifier = notifier
        self._clock = clock
        self._engine = Engine(clock=clock, on_state=lambda _: self._announcer.tell())
        self._announcer = Announcer(lambda: self._engine.states, notifier, clock)
        self._built: dict[OutputSettings, Output] = {}
        self._builder: OutputBuilder | None = None
        self._listeners: dict[str, Listener] = {}
        self._reloads = Counter(accepted=0, refused=0)
        self._one_at_a_time = asyncio.Lock()  # the start and the reloads
        self.program: Program | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the outputs until the context is left; their files stay.

        Raises `InvalidAddress`, `OwnerFailure`, `ListenFailure`.
        """
        async with AsyncExitStack() as stack:
            async with self._one_at_a_time:
                await self._start(stack)
            yield

    async def _start(self, stack: AsyncExitStack) -> None:
        settings = self._settings
        sources = await stack.enter_async_context(
            AgentSources.opened(settings.workload_api, self._clock)
        )
        self._builder = OutputBuilder(
            sources, settings.folders, allow_shared=settings.allow_shared_folders
        )
        if settings.program is not None:
            self.program = Program(_plan(settings.program), self._engine.all_are_written)
        if settings.health is not None:
            routes = health_routes(self.status, self.status, self.exposition)
            self._listeners["health"] = await stack.enter_async_context(
                listening(routes, settings.health)
            )
        outputs = self._outputs(settings)
        for address, handler in self._builder.endpoints().items():
            await stack.enter_async_context(serving(handler, address))
        await stack.enter_async_context(self._engine)
        await self._engine.keep(outputs)
        watchdog = asyncio.create_task(self._notifier.watchdog(), name="watchdog")
        stack.callback(watchdog.cancel)

    async def reload(self, wanted: HelperSettings) -> None:
        """Keeps the outputs of `wanted`; those that are the same are not touched.

        Raises `InvalidConfig` if something else has changed, which takes a restart, and
        `OwnerFailure`.
        """
        async with self._one_at_a_time:
            fixed = [n for n in _FIXED if getattr(wanted, n) != getattr(self._settings, n)]
            if wanted.served() != self._settings.served():
                fixed.append("outputs that are served")
            if fixed:
                raise InvalidConfig(f"a restart is needed to change {', '.join(fixed)}")
            outputs = self._outputs(wanted)
            self._settings = wanted
            await self._engine.keep(outputs)
            if self.program is not None:  # it may have waited for an output that is gone now
                await self.program.start()

    def count_reload(self, *, accepted: bool) -> None:
        """Counts an attempt to put another configuration in force."""
        self._reloads["accepted" if accepted else "refused"] += 1

    async def stop_program(self, number: signal.Signals) -> int | None:
        """Ends the program, if there is one, and returns its status."""
        return await self.program.stop(number) if self.program is not None else None

    @property
    def summary(self) -> str:
        """One line on all outputs."""
        return self._announcer.summary

    def status(self) -> dict[str, Any]:
        """Whether every output can be used, and how each is."""
        now = self._clock()
        outputs = self._engine.outputs
        return {
            "ready": self._engine.is_ready(),
            "version": __version__,
            "now": now,
            "outputs": [
                output_status(outputs[name], state, now)
                for name, state in self._engine.states.items()
            ],
        }

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        states = self._engine.states
        return exposition(
            chain(
                helper_metrics(states, self._reloads, self._clock()),
                listener_metrics(self._listeners),
            )
        )

    def _outputs(self, settings: HelperSettings) -> list[Output]:
        """The same value as before for an output whose settings are the same."""
        self._built = {s: self._built.get(s) or self._build(s) for s in settings.outputs}
        return list(self._built.values())

    def _build(self, settings: OutputSettings) -> Output:
        assert self._builder is not None
        told: tuple[FollowUp, ...] = ()
        plan = self._settings.program
        if self.program is not None and plan is not None:
            signalled = plan.signal_for is None or settings.name in plan.signal_for
            told = (Telling(self.program, of_changes=signalled),)
        return self._builder.build(settings, *told)


def _plan(settings: ProgramSettings) -> ProgramPlan:
    return ProgramPlan(
        settings.command,
        signal_named(settings.signal) if settings.signal is not None else None,
        Restart(settings.restart),
        settings.stop_seconds,
    )
