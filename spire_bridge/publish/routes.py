"""An issuer's documents over HTTP."""

from __future__ import annotations

from urllib.parse import unquote

from spire_bridge.issuer.documents import Document, Documents
from spire_bridge.issuer.url import DISCOVERY_PATH, JWKS_PATH, IssuerUrl
from spire_bridge.listen.http import (
    CachedResource,
    Headers,
    ReadOnlyRoutes,
    Request,
    Resource,
    Response,
    text,
    with_headers,
)

DEFAULT_CACHE_SECONDS = 300
_RETRY_AFTER_SECONDS = 5
_CORS: Headers = (("access-control-allow-origin", "*"),)


class IssuerRoutes:
    """Serves the documents of one issuer, and 503 until there are some.

    `show` replaces both documents in one step; a request sees the old pair or the new.
    `cache_seconds` is how long a verifier may keep them, from the next `show` on.
    """

    def __init__(self, issuer: IssuerUrl, *, cache_seconds: int = DEFAULT_CACHE_SECONDS) -> None:
        path = unquote(issuer.path)  # as requests have it
        self._discovery_path = path + DISCOVERY_PATH
        self._jwks_path = path + JWKS_PATH
        self.cache_seconds = cache_seconds
        self._routes = self._with(_not_yet, _not_yet)

    def show(self, documents: Documents) -> None:
        """Serves `documents` from now on."""
        self._routes = self._with(
            self._resource(documents.discovery), self._resource(documents.jwks)
        )

    def __call__(self, request: Request) -> Response:
        return self._routes(request)

    def _with(self, discovery: Resource, jwks: Resource) -> ReadOnlyRoutes:
        resources = {self._discovery_path: discovery, self._jwks_path: jwks}
        return ReadOnlyRoutes(resources, options=_PREFLIGHT)

    def _resource(self, document: Document) -> CachedResource:
        headers = (
            ("content-type", "application/json"),
            ("cache-control", f"public, max-age={self.cache_seconds}"),
            ("x-content-type-options", "nosniff"),
            *_CORS,
        )
        return CachedResource.of(document.body, etag=document.etag, headers=headers)


# CORS preflight (Fetch standard): a page may read the documents from anywhere.
_PREFLIGHT = Response(
    204,
    (
        ("allow", "GET, HEAD, OPTIONS"),
        ("access-control-allow-methods", "GET, HEAD"),
        ("access-control-allow-headers", "If-None-Match"),
        ("access-control-max-age", "86400"),
        *_CORS,
    ),
)


def _not_yet(_: Request) -> Response:
    """Before the first bundle: not an empty key set, which would mean revocation."""
    waiting = text(503, "no bundle has arrived yet", (("cache-control", "no-store"), *_CORS))
    return with_headers(waiting, (("retry-after", str(_RETRY_AFTER_SECONDS)),))
