"""The issuers' documents, published at their targets: once, or at every change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from spire_bridge import __version__
from spire_bridge.bundles.store import SETTLING_SECONDS
from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError
from spire_bridge.publish.generation import Generation
from spire_bridge.publish.target import Publication
from spire_bridge.service.health import health_routes
from spire_bridge.service.issuing.edition import Edition
from spire_bridge.service.issuing.findings import Findings
from spire_bridge.service.issuing.following import Following
from spire_bridge.service.issuing.readiness import readiness, trouble
from spire_bridge.service.listener import Listener, listening
from spire_bridge.service.listener_metrics import listener_metrics
from spire_bridge.service.process import configure, stop_signals
from spire_bridge.service.publishing.metrics import publish_metrics
from spire_bridge.service.publishing.target_publisher import Offer, TargetPublisher
from spire_bridge.service.publishing.targets import NamedTarget, configured_targets
from spire_bridge.service.settings.listen import Place
from spire_bridge.service.settings.serve import (
    OneIssuerSettings,
    ServeSettings,
    load_serve_settings,
)
from spire_bridge.telemetry.logs import LogFormat, configure_logging
from spire_bridge.telemetry.metrics import exposition

_log = logging.getLogger(__name__)


class NoBundle(BridgeError):
    """No source has told a bundle in time, and there is no last good copy."""

    code = "NO_BUNDLE"
    exit_status = EXIT_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one target, and what went wrong; the members are those of `TargetState`."""

    issuer: str
    target: str
    publication: Publication | None
    visible: bool | None
    error: BridgeError | None


class Publisher:
    """Publishes the documents of one issuer at its targets: `once`, or while `running`."""

    def __init__(
        self,
        settings: OneIssuerSettings,
        targets: Iterable[NamedTarget],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._findings = Findings(settings.name, settings.issuer.issuer_urls())
        self._following = Following(settings, on_edition=self._announce, clock=clock)
        self.edition: Edition | None = None
        self.targets = tuple(self._publisher(target) for target in targets)

    async def once(self, timeout_seconds: float) -> tuple[Outcome, ...]:
        """Publishes what there is when every source has answered, or the time is up.

        A target that fails has until then to recover, and holds up no other.
        """
        deadline = time.monotonic() + timeout_seconds
        self._following.restore()
        async with self._following.running():
            await self._following.check_trust_domains()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._following.all_answered()
            if self.edition is None:
                return tuple(self._outcome(target, self._no_bundle()) for target in self.targets)
            results = await asyncio.gather(
                *(target.once(deadline) for target in self.targets), return_exceptions=True
            )
        return tuple(map(self._outcome, self.targets, results))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publishes at first and at every change until the context is left."""
        self._following.restore()
        async with self._following.running():
            await self._following.check_trust_domains()
            at_work = [self._start(target) for target in self.targets]
            try:
                yield
            finally:
                for task in at_work:
                    task.cancel()
                await asyncio.gather(*at_work, return_exceptions=True)

    def readyz(self) -> dict[str, Any]:
        """Whether the bundle is current and each target up to date, and why not."""
        now = self._clock()
        verdict = readiness(
            self._settings.name,
            self._following.store,
            self.edition,
            now=now,
            max_age_seconds=self._settings.last_good.max_age_seconds,
        )
        limit = self._settings.publish.max_behind_seconds
        troubles = {
            target.named.name: trouble
            for target in self.targets
            if (trouble := target.state.trouble(now, limit)) is not None
        }
        reasons = [f"target {name}: {reason}" for name, reason in troubles.items()]
        return {
            **verdict.to_json(now),
            "ready": verdict.ready and not troubles,
            "reasons": [*verdict.reasons, *reasons],
            "targets": [_target_json(target, now) for target in self.targets],
        }

    def status(self) -> dict[str, Any]:
        """As `readyz`, with the issuer's URLs and what verifiers refuse; no key's history."""
        return {
            **self.readyz(),
            "urls": [url.text for url in self._settings.issuer.issuer_urls()],
            "findings": [asdict(finding) for finding in self._findings.current],
            "key_history": [],
        }

    def _publisher(self, named: NamedTarget) -> TargetPublisher:
        def offer() -> Offer | None:
            return self._offer(named)

        return TargetPublisher(self._settings.name, named, offer, self._clock)

    def _start(self, target: TargetPublisher) -> asyncio.Task[None]:
        task = asyncio.create_task(target.run(), name=f"target {target.named.name}")
        task.add_done_callback(_log_end)
        return task

    def _announce(self, edition: Edition) -> None:
        self._findings.note(edition)
        self.edition = edition
        for target in self.targets:  # the same documents may be those of a newer bundle
            target.notice()

    def _offer(self, named: NamedTarget) -> Offer | None:
        """The newest documents, and how new they are by what is known now."""
        if self.edition is None:
            return None
        documents = dict(self.edition.documents)[named.url]
        sequence, now = self.edition.bundle.sequence, self._clock()
        known_at, later = (
            self._following.store.known_at(time) for time in (now, now + SETTLING_SECONDS)
        )
        assert known_at is not None
        assert later is not None
        return Offer(documents, Generation(known_at, sequence), Generation(later, sequence))

    def _no_bundle(self) -> NoBundle:
        sources = self._following.store.statuses()
        reasons = "; ".join(f"source {source.name}: {trouble(source)}" for source in sources)
        return NoBundle(
            f"no bundle has arrived: {reasons}",
            hint="nothing was published; what was published before stays",
        )

    def _outcome(self, target: TargetPublisher, result: BaseException | None) -> Outcome:
        if result is not None and not isinstance(result, BridgeError):
            raise result
        state = target.state
        name = target.named.name
        return Outcome(self._settings.name, name, state.publication, state.visible, result)


class PublishService:
    """All issuers' publishers, and their health on a listener of its own."""

    def __init__(
        self,
        settings: ServeSettings,
        targets: dict[str, tuple[NamedTarget, ...]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._listeners: dict[str, Listener] = {}
        self.publishers = [
            Publisher(one, targets[one.name], clock=clock)
            for one in settings.all_issuers()
            if targets[one.name]
        ]

    async def once(self, timeout_seconds: float) -> list[Outcome]:
        """See `Publisher.once`."""
        outcomes = await asyncio.gather(*(p.once(timeout_seconds) for p in self.publishers))
        return [outcome for of_one in outcomes for outcome in of_one]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Place]:
        """Publishes every change until the context is left; yields where health is told."""
        health = health_routes(self.readyz, self.status, self.exposition)
        async with AsyncExitStack() as stack:
            listener = await stack.enter_async_context(listening(health, self._settings.health))
            self._listeners = {"health": listener}
            for publisher in self.publishers:
                await stack.enter_async_context(publisher.running())
            yield listener.place

    def readyz(self) -> dict[str, Any]:
        issuers = [publisher.readyz() for publisher in self.publishers]
        return {"ready": all(issuer["ready"] for issuer in issuers), "issuers": issuers}

    def status(self) -> dict[str, Any]:
        """As `readyz`, with what `spire-bridge status` shows besides."""
        issuers = [publisher.status() for publisher in self.publishers]
        return {
            "ready": all(issuer["ready"] for issuer in issuers),
            "version": __version__,
            "now": self._clock(),
            "issuers": issuers,
        }

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        targets = (target for publisher in self.publishers for target in publisher.targets)
        return exposition(
            chain(publish_metrics(targets, self._clock()), listener_metrics(self._listeners))
        )


def publish_once(
    config: Path, directory: Path | None, *, timeout_seconds: float, log_format: LogFormat
) -> list[Outcome]:
    """Publishes once: below `directory`, or at the configured targets. Raises `BridgeError`."""
    settings = load_serve_settings(config)
    configure_logging(log_format, "warning")
    targets = configured_targets(settings, directory)

    async def publish() -> list[Outcome]:
        return await PublishService(settings, targets).once(timeout_seconds)

    return asyncio.run(publish())


def publish_continuously(config: Path, directory: Path | None) -> None:
    """Publishes every change, until SIGTERM or SIGINT."""
    settings = load_serve_settings(config)
    configure(settings.log)
    targets = configured_targets(settings, directory)
    asyncio.run(_watch(PublishService(settings, targets)))


async def _watch(service: PublishService) -> None:
    async with stop_signals() as stop, service.running() as health:
        targets = [target.named.name for p in service.publishers for target in p.targets]
        _log.info("publishing", extra={"targets": targets, "health": str(health)})
        await stop.wait()
        _log.info("stopping")


def _log_end(task: asyncio.Task[None]) -> None:
    """Logs what no target should raise; the others go on, and readiness fails."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("target has failed", extra={"task": task.get_name()}, exc_info=error)


def _target_json(target: TargetPublisher, now: float) -> dict[str, Any]:
    state = target.state
    error = state.error
    return {
        "name": target.named.name,
        "published": state.published.to_json() if state.published is not None else None,
        "last_success_seconds": _ago(state.last_success_at, now),
        "behind_seconds": _ago(state.behind_since, now),
        "visible": state.visible,
        "written": state.written,
        "unchanged": state.unchanged,
        "failures": state.failures,
        "last_error": {"code": error.code, "message": error.message} if error else None,
    }


def _ago(moment: float | None, now: float) -> float | None:
    return round(max(0.0, now - moment), 1) if moment is not None else None
