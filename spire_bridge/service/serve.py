"""The issuer as a service: its logs, its signals, its configuration file."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from spire_bridge.listen.activation import passed_sockets
from spire_bridge.service.issuing.service import IssuerService
from spire_bridge.service.process import (
    configure,
    reload_on_hangup,
    stop_signals,
    use_all_descriptors,
)
from spire_bridge.service.settings.serve import load_serve_settings
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
    async def reload() -> None:
        await issuer.reload(load_serve_settings(config))

    reload_on_hangup(reload, issuer.count_reload, config, notifier)
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
