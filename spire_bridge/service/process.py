"""What every service does as a process: its signals, its logs, its open files."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from spire_bridge.errors import BridgeError
from spire_bridge.service.settings.logs import LogSettings
from spire_bridge.telemetry.logs import configure_logging
from spire_bridge.telemetry.systemd import Notifier

_log = logging.getLogger(__name__)


class CountReload(Protocol):
    """Counts an attempt to put another configuration in force."""

    def __call__(self, *, accepted: bool) -> None: ...


def reload_on_hangup(
    reload: Callable[[], Awaitable[None]],
    count: CountReload,
    config: Path,
    notifier: Notifier,
    summary: Callable[[], str] = str,
) -> None:
    """Has SIGHUP call `reload`, which reads `config` again; an invalid one changes nothing."""
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()

    async def attempt() -> None:
        notifier.reloading()
        try:
            await reload()
        except BridgeError as error:
            count(accepted=False)
            _log.error(
                "configuration was not reloaded; the old one stays in force",
                extra={"code": error.code, "reason": error.message, "hint": error.hint},
            )
        else:
            count(accepted=True)
            _log.info("configuration was reloaded", extra={"file": str(config)})
        notifier.ready(summary())

    def begin() -> None:
        task = loop.create_task(attempt())
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    loop.add_signal_handler(signal.SIGHUP, begin)


@asynccontextmanager
async def stop_signals() -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def use_all_descriptors() -> None:
    """Raises the limit of open files to what the system allows, as Go's programs do."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems name a limit that they don't grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def configure(log: LogSettings) -> None:
    """Has the logs of a service be as its settings say."""
    if log.format == "auto":
        configure_logging("text" if sys.stderr.isatty() else "json", log.level)
    else:
        configure_logging(log.format, log.level)
