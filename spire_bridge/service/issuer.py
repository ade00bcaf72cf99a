"""The issuer at work: sources, store, documents, listeners, in one task group."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.bundles.file_source import FileSource
from spire_bridge.bundles.last_good import LastGoodCopy
from spire_bridge.bundles.source import Source
from spire_bridge.bundles.store import BundleStore
from spire_bridge.cloud.issuer_url import check_issuer_url
from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.errors import BridgeError
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.listen.address import ListenAddress, UnixAddress
from spire_bridge.listen.http import Handler
from spire_bridge.listen.server import serving
from spire_bridge.listen.tls import CertificateFiles
from spire_bridge.publish.routes import IssuerRoutes
from spire_bridge.server_api.bundle_source import ServerApiSource
from spire_bridge.service.health import Readiness, health_routes, readiness
from spire_bridge.service.settings import (
    ListenSettings,
    ServeSettings,
    SourceSettings,
    needs_restart,
)
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.telemetry.metrics import IssuerMetrics
from spire_bridge.workload.agent_source import AgentSource

# How often the last good copy is written anew while nothing changes, to confirm its age.
_CONFIRM_SECONDS = 300.0

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
        self._store = BundleStore(
            TrustDomain.parse(settings.trust_domain), on_change=self._publish, clock=clock
        )
        self._last_good = _last_good_copy(settings)
        self._sources: dict[str, asyncio.Task[None]] = {}
        self._reloading = asyncio.Lock()
        self._expiry: asyncio.TimerHandle | None = None

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
        for finding in check_issuer_url(self._url):
            _log.warning(
                "a verifier will refuse this issuer",
                extra={"verifier": finding.verifier, "reason": finding.reason},
            )
        self._restore()
        health = health_routes(self.readiness, self._metrics, self._clock)
        async with AsyncExitStack() as stack:
            addresses = Addresses(
                await stack.enter_async_context(_listening(self._routes, self._settings.listen)),
                await stack.enter_async_context(_listening(health, self._settings.health)),
            )
            stack.push_async_callback(self._stop)
            for source in self._settings.sources:
                self._follow(source)
            confirming = asyncio.create_task(self._confirm(), name="last-good-copy")
            stack.callback(confirming.cancel)
            yield addresses

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
        before = {source.name: source for source in self._settings.sources}
        after = {source.name: source for source in wanted.sources}
        self._settings = wanted
        for name, source in before.items():
            if after.get(name) != source or self._sources[name].done():
                await self._unfollow(name)
        for name, source in after.items():
            if name not in self._sources:
                self._follow(source)
        await asyncio.sleep(0)  # each has begun before a further reload may end it
        self._routes.cache_seconds = wanted.issuer.cache_seconds
        if self._store.bundle is not None:
            self._publish(self._store.bundle)

    def _publish(self, bundle: Bundle) -> None:
        """From a changed bundle to what is served, in one step."""
        key_set = KeySet.from_bundle(bundle.jwt, self._clock())
        self._routes.show(Documents.of(self._url, key_set))
        self._metrics.published_keys.set(len(key_set.keys))
        self._metrics.changes.inc()
        _log.info("documents have changed", extra={"keys": len(key_set.keys)})
        self._stop_expiry_timer()
        if key_set.next_expiry is not None:
            delay = max(0.0, key_set.next_expiry - self._clock())
            self._expiry = asyncio.get_running_loop().call_later(delay, self._publish, bundle)
        self._save()

    def _stop_expiry_timer(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _follow(self, settings: SourceSettings) -> None:
        source = _source(settings, self._store.trust_domain)
        task = asyncio.create_task(self._store.follow(source), name=f"source {settings.name}")
        task.add_done_callback(_report_defect)
        self._sources[settings.name] = task

    async def _unfollow(self, name: str) -> None:
        task = self._sources.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._store.remove(name)

    async def _stop(self) -> None:
        self._stop_expiry_timer()
        self._save()
        for task in self._sources.values():
            task.cancel()
        await asyncio.gather(*self._sources.values(), return_exceptions=True)

    def _restore(self) -> None:
        if self._last_good is None:
            return
        try:
            copy = self._last_good.load()
        except BridgeError as error:
            _log.warning("last good copy is not used", extra={"reason": error.message})
            return
        if copy is not None:
            bundle, confirmed_at = copy
            age = round(self._clock() - confirmed_at)
            _log.info("last good copy is in force", extra={"age_seconds": age})
            self._store.restore(bundle, confirmed_at)

    async def _confirm(self) -> None:
        while True:
            await asyncio.sleep(_CONFIRM_SECONDS)
            self._save()

    def _save(self) -> None:
        bundle, confirmed_at = self._store.bundle, self._store.confirmed_at
        if self._last_good is None or bundle is None or confirmed_at is None:
            return
        try:
            self._last_good.save(bundle, confirmed_at)
        except BridgeError as error:  # what is served does not depend on it
            _log.error("last good copy was not written", extra={"reason": error.message})


def _report_defect(task: asyncio.Task[None]) -> None:
    """Logs what no source should raise; the other sources and what is served stay."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("source has failed", extra={"task": task.get_name()}, exc_info=error)


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


def _source(settings: SourceSettings, trust_domain: TrustDomain) -> Source:
    name = settings.name
    if (server := settings.server_api) is not None:
        return ServerApiSource(
            name, server.address, trust_domain, server.interval_seconds, server.timeout_seconds
        )
    if (file := settings.file) is not None:
        return FileSource(name, Path(file.path), trust_domain, file.interval_seconds)
    if (agent := settings.workload_api) is not None:
        return AgentSource(name, agent.address, trust_domain, agent.timeout_seconds)
    raise AssertionError(f"source {name} has no kind")  # its settings have been checked


def _last_good_copy(settings: ServeSettings) -> LastGoodCopy | None:
    path = settings.last_good.path
    if path is None:
        return None
    return LastGoodCopy(Path(path), TrustDomain.parse(settings.trust_domain))
