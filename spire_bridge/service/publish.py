"""The issuer's documents, published at a target: once, or at every change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError
from spire_bridge.issuer.documents import Documents
from spire_bridge.publish.directory import DirectoryTarget, issuer_folder
from spire_bridge.publish.generation import Generation, PublicationOutdated
from spire_bridge.publish.target import Publication, Target
from spire_bridge.service.edition import Edition
from spire_bridge.service.findings import Findings
from spire_bridge.service.following import Following
from spire_bridge.service.readiness import trouble
from spire_bridge.service.serve import configure, stop_signals
from spire_bridge.service.settings import OneIssuerSettings, ServeSettings, load_serve_settings
from spire_bridge.telemetry.logs import LogFormat, configure_logging
from spire_bridge.transport.backoff import Backoff

_log = logging.getLogger(__name__)


class NoBundle(BridgeError):
    """No source has told a bundle in time, and there is no last good copy."""

    code = "NO_BUNDLE"
    exit_status = EXIT_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class _Issue:
    """Documents, and how new they are."""

    documents: Documents
    generation: Generation


class Publisher:
    """Publishes the documents of one issuer at one target: `once`, or `watch`."""

    def __init__(
        self,
        settings: OneIssuerSettings,
        target: Target,
        *,
        clock: Callable[[], float] = time.time,
        backoff: Backoff | None = None,
    ) -> None:
        self._findings = Findings(settings.name, settings.issuer.issuer_urls())
        self._target = target
        self._following = Following(settings, on_edition=self._prepare, clock=clock)
        self._backoff = backoff or Backoff(initial=0.5)
        self._edition: _Issue | None = None
        self._news = asyncio.Event()

    async def once(self, timeout_seconds: float) -> Publication:
        """Publishes what there is when every source has answered, or the time is up.

        Raises `NoBundle`, or the target's `BridgeError`.
        """
        self._following.restore()
        async with self._following.running():
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._following.all_answered()
            edition = self._edition
            sources = self._following.store.statuses()
        if edition is None:
            reasons = "; ".join(f"source {source.name}: {trouble(source)}" for source in sources)
            raise NoBundle(
                f"no bundle has arrived: {reasons}",
                hint="nothing was published; what was published before stays",
            )
        return await self._publish(edition)

    async def watch(self) -> None:
        """Publishes at first and at every change, until it is cancelled."""
        self._following.restore()
        async with self._following.running():
            while True:
                await self._news.wait()
                self._news.clear()
                await self._publish_newest()

    def _prepare(self, edition: Edition) -> None:
        """What there is to publish; as new as the bundle is at this moment."""
        self._findings.note(edition)
        store = self._following.store
        assert store.confirmed_at is not None
        generation = Generation(store.confirmed_at, edition.bundle.sequence)
        self._edition = _Issue(edition.documents[0][1], generation)
        self._news.set()

    async def _publish_newest(self) -> None:
        """Tries until the edition at hand is published or refused."""
        self._backoff.reset()
        while self._edition is not None:
            try:
                publication = await self._publish(self._edition)
            except PublicationOutdated as error:  # trying again would be refused too
                _log.error(
                    "documents were refused", extra={"code": error.code, "reason": error.message}
                )
                return
            except BridgeError as error:
                delay = self._backoff.next_delay()
                _log.error(
                    "documents were not published",
                    extra={
                        "code": error.code,
                        "reason": error.message,
                        "retry_seconds": round(delay, 1),
                    },
                )
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), delay)
                self._news.clear()
            else:
                _log.info(
                    "documents were published",
                    extra={"written": publication.written, "unchanged": publication.unchanged},
                )
                return

    async def _publish(self, edition: _Issue) -> Publication:
        """In a thread: a slow disk must not keep the sources waiting."""
        return await asyncio.to_thread(self._target.publish, edition.documents, edition.generation)


def publish_once(
    config: Path, directory: Path, *, timeout_seconds: float, log_format: LogFormat
) -> Publication:
    """Publishes below `directory`, once. Raises `BridgeError`."""
    settings = load_serve_settings(config)
    configure_logging(log_format, "warning")
    target = _target(settings, directory)

    async def publish() -> Publication:
        return await Publisher(settings.all_issuers()[0], target).once(timeout_seconds)

    return asyncio.run(publish())


def publish_continuously(config: Path, directory: Path) -> None:
    """Publishes below `directory` at every change, until SIGTERM or SIGINT."""
    settings = load_serve_settings(config)
    configure(settings.log)
    target = _target(settings, directory)
    asyncio.run(_watch(settings, target))


async def _watch(settings: ServeSettings, target: DirectoryTarget) -> None:
    async with stop_signals() as stop:
        watching = asyncio.create_task(
            Publisher(settings.all_issuers()[0], target).watch(), name="publisher"
        )
        stopping = asyncio.create_task(stop.wait())
        _log.info("publishing", extra={"directory": str(target.path)})
        await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():  # which it never is by itself
            stopping.cancel()
            watching.result()
        _log.info("stopping")
        watching.cancel()
        await asyncio.wait({watching})


def _target(settings: ServeSettings, directory: Path) -> DirectoryTarget:
    url = settings.all_issuers()[0].issuer.issuer_urls()[0]
    return DirectoryTarget(issuer_folder(directory, url))
