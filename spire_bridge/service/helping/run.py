"""The helper as a process: its configuration file, its signals, its end."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import Any

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.helper.engine import write_once
from spire_bridge.listen.activation import passed_sockets
from spire_bridge.service.helping.outputs import OutputBuilder
from spire_bridge.service.helping.service import HelperService
from spire_bridge.service.helping.sources import AgentSources
from spire_bridge.service.process import configure, reload_on_hangup, use_all_descriptors
from spire_bridge.service.settings.helper import HelperSettings, load_helper_settings
from spire_bridge.telemetry.systemd import Notifier

_log = logging.getLogger(__name__)

_STOP = (signal.SIGTERM, signal.SIGINT)
# What is meant for the program alone.
_PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT, signal.SIGWINCH)


class EndpointOnce(BridgeError):
    """An output that is served is to be written once, and nobody would serve it after that."""

    code = "ENDPOINT_ONCE"
    exit_status = EXIT_USAGE


def run_helper(config: Path) -> int:
    """Keeps the outputs until SIGTERM or SIGINT, or until the program ends.

    Returns the program's status, if it is the main thing. Raises `BridgeError` if the helper
    can't start.
    """
    passed_sockets()  # before the program could inherit them
    use_all_descriptors()
    settings = load_helper_settings(config)
    configure(settings.log)
    return asyncio.run(_run(settings, config, Notifier.from_environment()))


def write_outputs(config: Path, timeout_seconds: float) -> None:
    """Writes every output once.

    Raises the `BridgeError` of the first that can't be written, and `EndpointOnce`.
    """
    settings = load_helper_settings(config)
    if served := ", ".join(output.name for output in settings.served()):
        raise EndpointOnce(
            f"with --once nothing is served, but these outputs have an endpoint: {served}",
            hint="run the helper without --once, or give these outputs a path",
        )
    configure(settings.log)
    asyncio.run(_write(settings, timeout_seconds))


async def _write(settings: HelperSettings, timeout_seconds: float) -> None:
    async with AgentSources.opened(settings.workload_api) as sources:
        builder = OutputBuilder(
            sources, settings.folders, allow_shared=settings.allow_shared_folders
        )
        outputs = [builder.build(output) for output in settings.outputs]
        await write_once(outputs, timeout_seconds=timeout_seconds)


async def _run(settings: HelperSettings, config: Path, notifier: Notifier) -> int:
    loop = asyncio.get_running_loop()
    service = HelperService(settings, notifier=notifier)
    stop: asyncio.Future[signal.Signals] = loop.create_future()

    def end(number: signal.Signals) -> None:
        if not stop.done():
            stop.set_result(number)

    async def reload() -> None:
        await service.reload(load_helper_settings(config))

    for number in _STOP:
        loop.add_signal_handler(number, end, number)
    reload_on_hangup(reload, service.count_reload, config, notifier, lambda: service.summary)
    async with service.running():
        if service.program is not None:
            for number in _PASSED_ON:
                loop.add_signal_handler(number, service.program.send, number)
            either: tuple[asyncio.Future[Any], ...] = (stop, service.program.ended)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if service.program.ended.done():
                return service.program.ended.result()
        number = await stop
        _log.info("stopping")
        notifier.stopping()
        await service.stop_program(number)
    return 0
