"""How often each document was asked for, and what was answered."""

from __future__ import annotations

from collections import Counter

from spire_bridge.issuer.url import DISCOVERY_PATH, JWKS_PATH
from spire_bridge.listen.http import Handler, Request, Response


class RequestCounts:
    """A handler that counts what the one beneath it answers.

    `by_document_and_status` has as keys `discovery`, `jwks` or `other`, and the status.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.by_document_and_status: Counter[tuple[str, int]] = Counter()

    def __call__(self, request: Request) -> Response:
        response = self._handler(request)
        self.by_document_and_status[_document(request.path), response.status] += 1
        return response


def _document(path: str) -> str:
    """By its name: no path that a stranger makes up becomes a label."""
    if path.endswith(JWKS_PATH):
        return "jwks"
    return "discovery" if path.endswith(DISCOVERY_PATH) else "other"
