"""Liveness, readiness and metrics, on a listener of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spire_bridge.bundles.store import BundleStore, SourceStatus
from spire_bridge.listen.http import ReadOnlyRoutes, Request, Response, text
from spire_bridge.telemetry.metrics import CONTENT_TYPE, IssuerMetrics


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the issuer can be relied on, and what an operator should know of it."""

    ready: bool
    reasons: tuple[str, ...]
    bundle_age_seconds: float | None
    keys: int
    sources: tuple[SourceStatus, ...]

    def to_json(self, now: float) -> dict[str, Any]:
        return {
            "ready": self.ready,
            "reasons": list(self.reasons),
            "bundle_age_seconds": self.bundle_age_seconds,
            "keys": self.keys,
            "sources": [_source_json(status, now) for status in self.sources],
        }


def readiness(store: BundleStore, *, now: float, max_age_seconds: float) -> Readiness:
    """Ready means: there is a bundle, and it was confirmed within `max_age_seconds`."""
    sources = store.statuses()
    confirmed_at = store.confirmed_at
    age = max(0.0, now - confirmed_at) if confirmed_at is not None else None
    reasons: list[str] = []
    if store.bundle is None:
        reasons.append("no bundle has arrived yet")
        reasons.extend(f"source {s.name}: {trouble(s)}" for s in sources)
    elif age is not None and age > max_age_seconds:
        reasons.append(
            f"the bundle was last confirmed {age:.0f} s ago; {max_age_seconds:g} s are allowed"
        )
    keys = len(store.bundle.jwt.authorities) if store.bundle is not None else 0
    return Readiness(not reasons, tuple(reasons), age, keys, sources)


def health_routes(
    assess: Callable[[], Readiness], metrics: IssuerMetrics, clock: Callable[[], float]
) -> ReadOnlyRoutes:
    """The handler of the health listener."""

    def ready(_: Request) -> Response:
        verdict = assess()
        body = json.dumps(verdict.to_json(clock()), indent=2).encode() + b"\n"
        headers = (("content-type", "application/json"), ("cache-control", "no-store"))
        return Response(200 if verdict.ready else 503, headers, body)

    def exposition(_: Request) -> Response:
        record(metrics, assess())
        return Response(200, (("content-type", CONTENT_TYPE),), metrics.exposition())

    return ReadOnlyRoutes(
        {"/livez": lambda _: text(200, "ok"), "/readyz": ready, "/metrics": exposition}
    )


def record(metrics: IssuerMetrics, verdict: Readiness) -> None:
    """Sets the gauges from what is known at the moment."""
    if verdict.bundle_age_seconds is not None:
        metrics.bundle_age.set(verdict.bundle_age_seconds)
    for family in (metrics.source_connected, metrics.source_lagging, metrics.source_keys):
        family.clear()
    for status in verdict.sources:
        metrics.source_connected.labels(status.name).set(status.state.connected)
        metrics.source_lagging.labels(status.name).set(status.lagging)
        metrics.source_keys.labels(status.name).set(status.keys)


def trouble(status: SourceStatus) -> str:
    """Why a source has told no bundle."""
    error = status.state.last_error
    return f"{error.message} [{error.code}]" if error else "waiting for its first answer"


def _source_json(status: SourceStatus, now: float) -> dict[str, Any]:
    error = status.state.last_error
    return {
        "name": status.name,
        "connected": status.state.connected,
        "since_seconds": round(max(0.0, now - status.state.since), 1),
        "keys": status.keys,
        "lagging": status.lagging,
        "missing_keys": list(status.missing),
        "stale_keys": list(status.stale),
        "last_error": {"code": error.code, "message": error.message} if error else None,
    }
