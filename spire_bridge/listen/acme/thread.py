"""Blocking calls beside the event loop, in threads that hold up no exit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(blocking: Callable[[], T]) -> T:
    """The result of `blocking`, or what it raises.

    Not `asyncio.to_thread`: the end of the event loop would wait for a slow CA. A call
    that nobody waits for any more goes on, and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def deliver(error: BaseException | None, value: T | None = None) -> None:
        if not result.done():  # nobody waits any more
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        try:
            outcome: tuple[BaseException | None, T | None] = None, blocking()
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            outcome = error, None
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(deliver, *outcome)

    threading.Thread(target=run, name="acme", daemon=True).start()
    return await result
