"""One target at work: kept up to date, whatever becomes of the others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError
from spire_bridge.issuer.documents import Documents
from spire_bridge.publish.generation import Generation, PublicationOutdated
from spire_bridge.publish.target import Publication
from spire_bridge.service.publishing.targets import NamedTarget
from spire_bridge.transport.backoff import Backoff

_log = logging.getLogger(__name__)


class NotVisible(BridgeError):
    """The public URL still shows something else, though its copy must have expired."""

    code = "NOT_VISIBLE"


@dataclass(frozen=True, slots=True)
class Offer:
    """Documents to publish, and how new they are by what is known at the moment.

    `will_be` is how new they are known to be once their source has settled.
    """

    documents: Documents
    generation: Generation
    will_be: Generation


@dataclass(slots=True)
class TargetState:
    """What an operator wants to know of a target; times are seconds since the epoch.

    `published` is how new what was published last is, and `publication` what that did.

    `behind_since` is when the documents came that it lacks, None if it has the newest.
    `error` is what is wrong at present. `visible` is whether the public URL shows what
    was published, None where none is configured or nothing was read yet.
    """

    published: Generation | None = None
    publication: Publication | None = None
    last_success_at: float | None = None
    behind_since: float | None = None
    error: BridgeError | None = None
    visible: bool | None = None
    written: int = 0
    unchanged: int = 0
    failures: int = 0

    def trouble(self, now: float, max_behind_seconds: float) -> str | None:
        """Why the target can't be relied on; None if it can."""
        reason = f"{self.error.message} [{self.error.code}]" if self.error else "not published yet"
        if self.behind_since is None:
            return reason if self.error is not None else None
        behind = now - self.behind_since
        if behind <= max_behind_seconds:
            return None
        return f"it lacks the newest documents for {behind:.0f} s: {reason}"


@dataclass(slots=True)
class TargetPublisher:
    """Brings what `offer` returns to the target: `once`, or at every `notice`.

    `offer` returns the newest documents, None before there are any.
    """

    issuer: str
    named: NamedTarget
    offer: Callable[[], Offer | None]
    clock: Callable[[], float] = time.time
    backoff: Backoff = field(default_factory=lambda: Backoff(initial=0.5))
    state: TargetState = field(default_factory=TargetState)
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def notice(self) -> None:
        """There are newer documents."""
        if self.state.behind_since is None:
            self.state.behind_since = self.clock()
        self._news.set()

    async def run(self) -> None:
        """Publishes at every notice, until it is cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._bring_up_to_date()

    async def once(self, deadline: float) -> None:
        """Publishes; tries again until `deadline` (of `time.monotonic`) where that may help.

        It is no failure if by then a CDN still shows the copy of before. Raises the target's
        `BridgeError`, or one of reading back.
        """
        while (offer := self.offer()) is not None:
            try:
                if self.state.publication is None:
                    await self._publish(offer)
                if await self._is_visible(offer.documents):
                    return
            except BridgeError as error:
                self._count(error)
                if not _passes(error, offer) or time.monotonic() >= deadline:
                    raise
            left = deadline - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(self.backoff.next_delay(), left))

    async def _bring_up_to_date(self) -> None:
        """Tries until the newest documents are published, and are seen where that is known."""
        self.backoff.reset()
        while (offer := self.offer()) is not None:
            try:
                await self._publish(offer)
            except BridgeError as error:
                self._note(error)
            else:
                self._log_publication()
                await self._watch_visibility(offer.documents)
                return
            if not await self._has_news(self.backoff.next_delay()):
                continue
            self.backoff.reset()

    async def _publish(self, offer: Offer) -> None:
        """In a thread: a slow store must not keep the sources or other targets waiting."""
        publication = await asyncio.to_thread(
            self.named.target.publish, offer.documents, offer.generation
        )
        state = self.state
        state.published, state.publication = offer.generation, publication
        state.last_success_at = self.clock()
        state.written += len(publication.written)
        state.unchanged += len(publication.unchanged)
        state.error = None
        if not self._news.is_set():
            state.behind_since = None

    async def _watch_visibility(self, documents: Documents) -> None:
        """Reads back until it is seen, or until there is something newer."""
        published_at = time.monotonic()
        self.backoff.reset()
        while True:
            error: BridgeError | None = None
            try:
                if await self._is_visible(documents):
                    return
                if time.monotonic() - published_at > documents.cache_seconds:
                    error = self._not_visible()
            except BridgeError as failure:
                error = failure
            if error is not None:
                self._note(error)
            if await self._has_news(self.backoff.next_delay()):
                self._news.set()
                return

    async def _is_visible(self, documents: Documents) -> bool:
        public = self.named.public
        if public is None:
            return True
        from spire_bridge.publish.read_back import Visibility  # only where it is configured

        self.state.visible = False
        self.state.visible = await asyncio.to_thread(public.look, documents) is Visibility.VISIBLE
        if self.state.visible:
            self.state.error = None
        return self.state.visible

    def _not_visible(self) -> NotVisible:
        assert self.named.public is not None
        return NotVisible(
            f"{self.named.public.url} does not show what was published",
            hint="does it lead to this target, and does what stands between heed Cache-Control?",
        )

    async def _has_news(self, within_seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), within_seconds)
        had = self._news.is_set()
        self._news.clear()
        return had

    def _count(self, error: BridgeError) -> None:
        self.state.error = error
        self.state.failures += 1

    def _note(self, error: BridgeError) -> None:
        """Logs what goes wrong once, and not at each new attempt."""
        before = self.state.error
        self._count(error)
        if before is not None and before.message == error.message:
            return
        extra = {**self._labels(), "code": error.code, "reason": error.message}
        if error.hint is not None:
            extra["hint"] = error.hint
        if isinstance(error, PublicationOutdated):
            _log.error("documents were refused", extra=extra)
        elif self.state.behind_since is not None:
            _log.error("documents were not published", extra=extra)
        else:
            _log.error("published documents are not seen", extra=extra)

    def _log_publication(self) -> None:
        publication = self.state.publication
        assert publication is not None
        extra = {"written": publication.written, "unchanged": publication.unchanged}
        _log.info("documents were published", extra={**self._labels(), **extra})

    def _labels(self) -> dict[str, str]:
        return {"issuer": self.issuer, "target": self.named.name}


def _passes(error: BridgeError, offer: Offer) -> bool:
    """Whether trying again may help by itself."""
    if isinstance(error, PublicationOutdated):
        return error.newest is not None and not offer.will_be.is_older_than(error.newest)
    return error.exit_status == EXIT_UNAVAILABLE
