"""The issuer service: issuers behind one listener, and their health behind another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from spire_bridge import __version__
from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.publish.issuers_by_place import IssuersByPlace
from spire_bridge.service.health import health_routes
from spire_bridge.service.issuing.metrics import issuer_metrics
from spire_bridge.service.issuing.request_counts import RequestCounts
from spire_bridge.service.issuing.served_issuer import ServedIssuer
from spire_bridge.service.issuing.status import issuer_status
from spire_bridge.service.listener import Listener, listening
from spire_bridge.service.listener_metrics import listener_metrics
from spire_bridge.service.settings.listen import Place
from spire_bridge.service.settings.serve import ServeSettings, needs_restart
from spire_bridge.telemetry.metrics import exposition

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running issuer service can be asked."""

    issuer: Place
    health: Place


class IssuerService:
    """Serves each trust domain that is configured as an OIDC issuer.

    Use `running()`; while it is open, `reload` puts new settings in force.
    """

    def __init__(self, settings: ServeSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self.issuers = {one.name: ServedIssuer(one, clock=clock) for one in settings.all_issuers()}
        routes = (route for issuer in self.issuers.values() for route in issuer.routes)
        self._requests = RequestCounts(
            IssuersByPlace(routes, host_of=settings.listen.proxies().effective_host)
        )
        self._listeners: dict[str, Listener] = {}
        self._reloads = Counter(accepted=0, refused=0)
        self._reloading = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Addresses]:
        """Listens, follows the sources and serves until the context is left.

        Raises `ListenFailure`, and `InvalidConfig` if a source is of another trust domain.
        """
        for issuer in self.issuers.values():
            issuer.restore()
        health = health_routes(self.readyz, self.status, self.exposition)
        async with AsyncExitStack() as stack:
            served = await stack.enter_async_context(
                listening(self._requests, self._settings.listen)
            )
            watched = await stack.enter_async_context(listening(health, self._settings.health))
            self._listeners = {"listen": served, "health": watched}
            for issuer in self.issuers.values():
                await stack.enter_async_context(issuer.running())
            checks = (i.following.check_trust_domains() for i in self.issuers.values())
            await asyncio.gather(*checks)
            yield Addresses(served.place, watched.place)

    def readyz(self) -> dict[str, Any]:
        """Whether relying parties can rely on each issuer, and how its sources are."""
        verdicts = [issuer.readiness() for issuer in self.issuers.values()]
        return {
            "ready": all(verdict.ready for verdict in verdicts),
            "issuers": [verdict.to_json(self._clock()) for verdict in verdicts],
        }

    def status(self) -> dict[str, Any]:
        """As `readyz`, with documents, keys and findings."""
        now = self._clock()
        issuers = [issuer_status(issuer, now) for issuer in self.issuers.values()]
        return {
            "ready": all(issuer["ready"] for issuer in issuers),
            "version": __version__,
            "now": now,
            "issuers": issuers,
        }

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return exposition(
            chain(
                issuer_metrics(self.issuers.values(), self._requests, self._reloads),
                listener_metrics(self._listeners),
            )
        )

    def count_reload(self, *, accepted: bool) -> None:
        """Counts an attempt to put another configuration in force."""
        self._reloads["accepted" if accepted else "refused"] += 1

    async def reload(self, wanted: ServeSettings) -> None:
        """Puts `wanted` in force, and starts again what an agent's answer has ended.

        Raises `InvalidConfig` if that takes a restart.
        """
        async with self._reloading:
            fixed = needs_restart(self._settings, wanted)
            if fixed:
                raise InvalidConfig(f"a restart is needed to change {', '.join(fixed)}")
            self._settings = wanted
            for one in wanted.all_issuers():
                await self.issuers[one.name].change(one)
