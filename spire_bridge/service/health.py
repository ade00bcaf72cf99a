"""Liveness, readiness, status and metrics, on a listener of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from spire_bridge.listen.http import ReadOnlyRoutes, Request, Resource, Response, text
from spire_bridge.telemetry.metrics import CONTENT_TYPE


def health_routes(
    readyz: Callable[[], dict[str, Any]],
    status: Callable[[], dict[str, Any]],
    exposition: Callable[[], bytes],
) -> ReadOnlyRoutes:
    """The handler of the health listener.

    `readyz` and `status` return objects whose `ready` decides on the status code of the
    first: 200, or 503.
    """

    def metrics(_: Request) -> Response:
        return Response(200, (("content-type", CONTENT_TYPE),), exposition())

    resources: dict[str, Resource] = {
        "/livez": lambda _: text(200, "ok"),
        "/readyz": lambda _: _json(verdict := readyz(), 200 if verdict["ready"] else 503),
        "/status": lambda _: _json(status(), 200),
        "/metrics": metrics,
    }
    return ReadOnlyRoutes(resources)


def _json(value: dict[str, Any], status: int) -> Response:
    body = json.dumps(value, indent=2).encode() + b"\n"
    return Response(
        status, (("content-type", "application/json"), ("cache-control", "no-store")), body
    )
