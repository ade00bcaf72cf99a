"""The issuer as a service: its logs, its signals, its configuration file."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from spire_bridge.errors import BridgeError
from spire_bridge.listen.activation import passed_sockets
from spire_bridge.service.issuing.service import IssuerService
from spire_bridge.service.settings.logs import LogSettings
from spire_bridge.service.settings.serve import load_serve_settings
from spire_bridge.telemetry.logs import configure_logging
from spire_bridge.telemetry.systemd import Notifier

_log = logging.getLogger(__name__)


def serve(config: Path) -> None:
    """Runs the issuer until SIGTERM or SIGINT. Raises `BridgeError` if it can't start."""
    passed_sockets()  # before anything that is started here could inherit them
    use_all_descriptors()
    settings = load_serve_settings(config)
    configure(settings.log)
    asyncio.run(_serve(IssuerService(settings), config, Notifier.from_environment()))


async def _serve(issuer: IssuerService, config: Path, notifier: Notifier) -> None:
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(_reload(issuer, config, notifier))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    async with stop_signals() as stop, issuer.running() as addresses:
        _log.info(
            "serving",
            extra={"address": str(addresses.issuer), "health": str(addresses.health)},
        )
        notifier.ready(f"serving at {addresses.issuer}")
        watchdog = asyncio.create_task(notifier.watchdog(), name="watchdog")
        await stop.wait()
        _log.info("stopping")
        notifier.stopping()
        watchdog.cancel()


async def _reload(issuer: IssuerService, config: Path, notifier: Notifier) -> None:
    notifier.reloading()
    try:
        await issuer.reload(load_serve_settings(config))
    except BridgeError as error:
        issuer.count_reload(accepted=False)
        _log.error(
            "configuration was not reloaded; the old one stays in force",
            extra={"code": error.code, "reason": error.message, "hint": error.hint},
        )
    else:
        issuer.count_reload(accepted=True)
        _log.info("configuration was reloaded", extra={"file": str(config)})
    notifier.ready()


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
