"""From the configured sources to an issuer's documents, made anew at every change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from spire_bridge.bundles.file_source import FileSource
from spire_bridge.bundles.last_good import LastGoodCopy
from spire_bridge.bundles.source import Source
from spire_bridge.bundles.store import BundleStore, SourceStatus
from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.errors import BridgeError
from spire_bridge.service.issuing.edition import Edition
from spire_bridge.service.issuing.expiry_timer import ExpiryTimer
from spire_bridge.service.settings.serve import OneIssuerSettings
from spire_bridge.service.settings.sources import SourceSettings
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.transport.rpc_errors import TrustDomainMismatch
from spire_bridge.workload.agent_source import AgentSource

# How often the last good copy is written anew while nothing changes, to confirm its age.
_CONFIRM_SECONDS = 300.0

# How long a start may wait for the sources to say whose they are.
_START_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Following:
    """Follows the sources of one issuer, and keeps the last good copy.

    `on_edition` is called whenever the bundle has changed or one of its keys has expired.
    Use `restore()`, then `running()`.
    """

    def __init__(
        self,
        settings: OneIssuerSettings,
        *,
        on_edition: Callable[[Edition], None],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._on_edition = on_edition
        self._clock = clock
        self._progress = asyncio.Event()
        self.store = BundleStore(
            TrustDomain.parse(settings.trust_domain),
            on_change=self._announce,
            on_state=self._progress.set,
            clock=clock,
        )
        self._last_good = _last_good_copy(settings)
        self._sources: dict[str, asyncio.Task[None]] = {}
        self._expiry = ExpiryTimer()

    def restore(self) -> None:
        """Puts the last good copy in force, if there is one, until a source speaks."""
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
            self.store.restore(bundle, confirmed_at)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follows the sources until the context is left; `check_trust_domains` is for a start."""
        for source in self._settings.sources:
            self._follow(source)
        confirming = asyncio.create_task(self._confirm(), name="last-good-copy")
        try:
            yield
        finally:
            confirming.cancel()
            await self._stop()

    async def check_trust_domains(self) -> None:
        """Waits a moment for a first word of each source, good or bad.

        Raises `InvalidConfig` if one is of another trust domain. One that speaks later, when
        the service is relied on, is in error by itself.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                await self._until_all(_has_spoken)
        for status in self.store.statuses():
            error = status.state.last_error
            if isinstance(error, TrustDomainMismatch):
                raise InvalidConfig(
                    f"source {status.name}: {error.message}",
                    hint="keys of several trust domains are never served by one issuer:"
                    " give each an issuer of its own, under `issuers`",
                )

    async def change(self, wanted: OneIssuerSettings) -> None:
        """Puts other sources and rules in force, and starts again what has ended."""
        before, after = ({s.name: s for s in i.sources} for i in (self._settings, wanted))
        self._settings = wanted
        for name, source in before.items():
            if after.get(name) != source or self._sources[name].done():
                await self._unfollow(name)
        for name, source in after.items():
            if name not in self._sources:
                self._follow(source)
        await asyncio.sleep(0)  # each has begun before a further change may end it
        if self.store.bundle is not None:
            self._announce(self.store.bundle)

    async def all_answered(self) -> None:
        """Returns once every source has told a bundle, or something that was refused.

        One that can't be reached has not answered; one that has ended never will.
        """
        await self._until_all(_has_answered)

    def _announce(self, bundle: Bundle) -> None:
        now = self._clock()
        edition = Edition.of(self._settings.issuer, bundle, now)
        self._on_edition(edition)
        self._expiry.start(edition.key_set, now, lambda: self._announce(bundle))
        self._save()

    async def _until_all(self, is_enough: Callable[[SourceStatus], bool]) -> None:
        """Returns once it is so of every source that has not ended."""
        while not self._is_so_of_all(is_enough):
            self._progress.clear()
            await self._progress.wait()

    def _is_so_of_all(self, is_enough: Callable[[SourceStatus], bool]) -> bool:
        enough = {status.name for status in self.store.statuses() if is_enough(status)}
        return all(name in enough or task.done() for name, task in self._sources.items())

    def _follow(self, settings: SourceSettings) -> None:
        source = _source(settings, self.store.trust_domain)
        task = asyncio.create_task(self.store.follow(source), name=f"source {settings.name}")
        task.add_done_callback(self._ended)
        self._sources[settings.name] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Logs what no source should raise; the other sources and their keys stay."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("source has failed", extra={"task": task.get_name()}, exc_info=error)
        self._progress.set()

    async def _unfollow(self, name: str) -> None:
        task = self._sources.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.store.remove(name)

    async def _stop(self) -> None:
        self._expiry.cancel()
        self._save()
        for task in self._sources.values():
            task.cancel()
        await asyncio.gather(*self._sources.values(), return_exceptions=True)

    async def _confirm(self) -> None:
        while True:
            await asyncio.sleep(_CONFIRM_SECONDS)
            self._save()

    def _save(self) -> None:
        bundle, confirmed_at = self.store.bundle, self.store.confirmed_at
        if self._last_good is None or bundle is None or confirmed_at is None:
            return
        try:
            self._last_good.save(bundle, confirmed_at)
        except BridgeError as error:  # what is published does not depend on it
            _log.error("last good copy was not written", extra={"reason": error.message})


def _has_spoken(status: SourceStatus) -> bool:
    return status.received_at is not None or status.state.last_error is not None


def _has_answered(status: SourceStatus) -> bool:
    refused = status.state.connected and status.state.last_error is not None
    return refused or status.received_at is not None


def _source(settings: SourceSettings, trust_domain: TrustDomain) -> Source:
    name = settings.name
    if (server := settings.server_api) is not None:
        # Loaded where it is configured: an issuer over agents alone needs none of it.
        from spire_bridge.server_api.bundle_source import ServerApiSource
        from spire_bridge.service.issuing.server_trust import server_trust

        return ServerApiSource(
            name,
            server.address,
            trust_domain,
            server.interval_seconds,
            server.timeout_seconds,
            server_trust(server, trust_domain),
        )
    if (file := settings.file) is not None:
        return FileSource(name, Path(file.path), trust_domain, file.interval_seconds)
    if (agent := settings.workload_api) is not None:
        return AgentSource(name, agent.address, trust_domain, agent.timeout_seconds)
    raise AssertionError(f"source {name} has no kind")  # its settings have been checked


def _last_good_copy(settings: OneIssuerSettings) -> LastGoodCopy | None:
    path = settings.last_good.path
    if path is None:
        return None
    return LastGoodCopy(Path(path), TrustDomain.parse(settings.trust_domain))
