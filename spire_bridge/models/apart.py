"""A part of the program in a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def apart(begin: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
    """Enters what `begin` makes over there, where it may block without holding up anyone here.

    Raises what entering or leaving it raises.
    """
    # With a factory, the runner leaves this thread's own loop alone.
    runner, end = asyncio.Runner(loop_factory=asyncio.new_event_loop), asyncio.Event()
    here, there = asyncio.get_running_loop(), runner.get_loop()
    begun: asyncio.Future[T] = here.create_future()

    async def live() -> None:
        async with begin() as value:
            here.call_soon_threadsafe(begun.set_result, value)
            await end.wait()

    def run() -> None:
        with runner:
            runner.run(live())

    living = asyncio.create_task(asyncio.to_thread(run))
    try:
        tasks: set[asyncio.Future[T] | asyncio.Future[None]] = {begun, living}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not begun.done():
            await living  # which raises
        yield begun.result()
    finally:
        with suppress(RuntimeError):  # it has ended by itself
            there.call_soon_threadsafe(end.set)
        await living
