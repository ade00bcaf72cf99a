"""The issuer at work: from what the sources tell to what the listeners serve."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.listen.address import ListenAddress, UnixAddress
from spire_bridge.listen.http import Handler
from spire_bridge.listen.server import serving
from spire_bridge.listen.tls import CertificateFiles
from spire_bridge.publish.routes import IssuerRoutes
from spire_bridge.service.findings import KeySetFindings, warn_of_refusals
from spire_bridge.service.following import Following
from spire_bridge.service.health import Readiness, health_routes, readiness
from spire_bridge.service.settings import ListenSettings, ServeSettings, needs_restart
from spire_bridge.telemetry.metrics import IssuerMetrics

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running issuer can be asked."""

    issuer: ListenAddress | UnixAddress
    health: ListenAddress | UnixAddress


class Issuer:
    """Serves one trust domain as one OIDC issuer.

    Use `running()`; while it is open, `reload` puts new settings in force.
    """

    def __init__(self, settings: ServeSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._url = IssuerUrl.parse(settings.issuer.url)
        self._routes = IssuerRoutes(self._url, cache_seconds=settings.issuer.cache_seconds)
        self._metrics = IssuerMetrics()
        self._findings = KeySetFindings()
        self._following = Following(settings, on_keys=self._publish, clock=clock)
        self._store = self._following.store
        self._reloading = asyncio.Lock()

    def readiness(self) -> Readiness:
        """Whether relying parties can rely on what is served, and why not."""
        return readiness(
            self._store,
            now=self._clock(),
            max_age_seconds=self._settings.last_good.max_age_seconds,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Addresses]:
        """Listens, follows the sources and serves until the context is left."""
        warn_of_refusals(self._url)
        self._following.restore()
        health = health_routes(self.readiness, self._metrics, self._clock)
        async with AsyncExitStack() as stack:
            addresses = Addresses(
                await stack.enter_async_context(_listening(self._routes, self._settings.listen)),
                await stack.enter_async_context(_listening(health, self._settings.health)),
            )
            await stack.enter_async_context(self._following.running())
            yield addresses

    def count_reload(self, *, accepted: bool) -> None:
        """Counts an attempt to put another configuration in force."""
        self._metrics.reloads.labels("accepted" if accepted else "refused").inc()

    async def reload(self, wanted: ServeSettings) -> None:
        """Puts `wanted` in force, and starts again what an agent's answer has ended.

        Raises `InvalidConfig` if that takes a restart.
        """
        async with self._reloading:
            await self._reload(wanted)

    async def _reload(self, wanted: ServeSettings) -> None:
        fixed = needs_restart(self._settings, wanted)
        if fixed:
            raise InvalidConfig(f"a restart is needed to change {', '.join(fixed)}")
        self._settings = wanted
        await self._following.change_sources(wanted.sources)
        self._routes.cache_seconds = wanted.issuer.cache_seconds
        self._following.repeat()

    def _publish(self, key_set: KeySet) -> None:
        """From a changed key set to what is served, in one step."""
        documents = Documents.of(self._url, key_set)
        self._routes.show(documents)
        self._findings.note(key_set, documents)
        self._metrics.published_keys.set(len(key_set.keys))
        self._metrics.changes.inc()
        _log.info("documents have changed", extra={"keys": len(key_set.keys)})


@asynccontextmanager
async def _listening(
    handler: Handler, settings: ListenSettings
) -> AsyncIterator[ListenAddress | UnixAddress]:
    """Serves at the configured place, with the configured certificate."""
    if settings.tls is None:
        async with serving(handler, settings.place()) as place:
            yield place
        return
    files = CertificateFiles(Path(settings.tls.certificate), Path(settings.tls.key))
    async with serving(handler, settings.place(), tls=files.context) as place:
        following = asyncio.create_task(files.follow(settings.tls.interval_seconds))
        try:
            yield place
        finally:
            following.cancel()
