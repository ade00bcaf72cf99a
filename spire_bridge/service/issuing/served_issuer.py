"""One issuer at work: from what its sources tell to what relying parties read."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from spire_bridge.publish.routes import IssuerRoutes
from spire_bridge.service.issuing.edition import Edition
from spire_bridge.service.issuing.findings import Findings
from spire_bridge.service.issuing.following import Following
from spire_bridge.service.issuing.key_history import KeyHistory
from spire_bridge.service.issuing.readiness import Readiness, readiness
from spire_bridge.service.issuing.signing_watch import watch_signing
from spire_bridge.service.settings.serve import OneIssuerSettings

_log = logging.getLogger(__name__)


class ServedIssuer:
    """Keeps the documents of one issuer current, and knows how it is.

    `routes` serve them, for each of the issuer's URLs.
    """

    def __init__(
        self, settings: OneIssuerSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.name = settings.name
        self.urls = settings.issuer.issuer_urls()
        self.routes = tuple(IssuerRoutes(url, path=settings.issuer.path) for url in self.urls)
        self.edition: Edition | None = None
        self.changes = 0
        self.signed_too_early = 0
        self.findings = Findings(settings.name, self.urls)
        self.keys = KeyHistory()
        self.following = Following(settings, on_edition=self._publish, clock=clock)
        self._signing: dict[str, asyncio.Task[None]] = {}
        self._told = asyncio.Event()  # by a source, and so more than a last good copy

    def readiness(self) -> Readiness:
        """Whether relying parties can rely on what is served, and why not."""
        return readiness(
            self.name,
            self.following.store,
            self.edition,
            now=self._clock(),
            max_age_seconds=self._settings.last_good.max_age_seconds,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follows the sources until the context is left; before, `restore` what was kept."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.following.running())
            stack.callback(self._unwatch_signing)
            self._watch_signing()
            yield

    def restore(self) -> None:
        """Serves the last good copy, if there is one, until a source speaks."""
        self.following.restore()

    async def change(self, wanted: OneIssuerSettings) -> None:
        """Puts other sources and rules in force."""
        self._settings = wanted
        await self.following.change(wanted)
        self._unwatch_signing()
        self._watch_signing()

    def _publish(self, edition: Edition) -> None:
        """From a changed bundle to what is served, in one step."""
        before, self.edition = self.edition, edition
        for routes, (_, documents) in zip(self.routes, edition.documents, strict=True):
            routes.show(documents)
        if any(status.received_at is not None for status in self.following.store.statuses()):
            self._told.set()
        self.keys.note_edition(edition.bundle, edition.key_set, self._clock())
        self.findings.note(edition)
        if not edition.reads_as(before):
            self.changes += 1
            _log.info(
                "documents have changed",
                extra={"issuer": self.name, "keys": len(edition.key_set.keys)},
            )

    def _watch_signing(self) -> None:
        for source in self._settings.sources:
            agent = source.workload_api
            if agent is not None and agent.watch_signing:
                watching = self._watch_signing_at(agent.address, agent.timeout_seconds)
                self._signing[source.name] = asyncio.create_task(
                    watching, name=f"signing {source.name}"
                )

    async def _watch_signing_at(self, address: str, timeout_seconds: float) -> None:
        """What signs can be too early only once there is something published."""
        await self._told.wait()
        await watch_signing(address, timeout_seconds, self._note_signature)

    def _unwatch_signing(self) -> None:
        for task in self._signing.values():
            task.cancel()
        self._signing.clear()

    def _note_signature(self, key_id: str) -> None:
        record = self.keys.note_signature(key_id, self._clock())
        if record is None:
            return
        extra = {"issuer": self.name, "key_id": key_id}
        if record.signed_too_early:
            self.signed_too_early += 1
            _log.warning("a key signs that is not published", extra=extra)
        else:
            _log.info("a key signs", extra=extra)
