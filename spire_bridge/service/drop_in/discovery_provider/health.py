"""The health checks of the drop-in: the reference's paths and status codes, and no bodies."""

from __future__ import annotations

import time
from collections.abc import Collection

from spire_bridge.bundles.store import BundleStore
from spire_bridge.listen.http import Handler, Request, Response
from spire_bridge.publish.odp_routes import go_error, redirection
from spire_bridge.service.drop_in.discovery_provider.config import HealthChecks

# As long as this, or five polls if that is longer, an answer of the source counts as fresh.
_FRESH_SECONDS = 180.0


def odp_health(
    checks: HealthChecks, store: BundleStore, *, poll_seconds: float, methods: Collection[str]
) -> Handler:
    """Good while the source has answered lately; alive, besides, as long as it still may."""
    started = time.time()
    fresh_seconds = max(_FRESH_SECONDS, 5 * poll_seconds)

    def is_good(path: str) -> bool:
        confirmed_at = store.confirmed_at
        if confirmed_at is not None:
            return time.time() - confirmed_at < fresh_seconds
        return path == checks.live_path and time.time() - started < fresh_seconds

    def handle(request: Request) -> Response:
        moved = redirection(request)
        if moved is not None:
            return moved
        if request.path not in {checks.ready_path, checks.live_path}:
            return go_error(404, "404 page not found")
        if request.method not in methods:
            return go_error(405, "method not allowed")
        return Response(200 if is_good(request.path) else 500)

    return handle
