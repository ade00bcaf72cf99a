"""An issuer's documents over HTTP."""

from __future__ import annotations

from urllib.parse import unquote

from spire_bridge.issuer.document import Document
from spire_bridge.issuer.documents import Documents
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

_RETRY_AFTER_SECONDS = 5
_CORS: Headers = (("access-control-allow-origin", "*"),)


class IssuerRoutes:
    """Serves the documents of one issuer, and 503 until there are some.

    `show` replaces both documents in one step; a request sees the old pair or the new.
    `path` is where they are asked for if a proxy in front changes the issuer's own path.
    """

    def __init__(self, issuer: IssuerUrl, *, path: str | None = None) -> None:
        self.host = issuer.host
        prefix = unquote(issuer.path if path is None else path.rstrip("/"))  # as requests have it
        self.discovery_path = prefix + DISCOVERY_PATH
        self.jwks_path = prefix + JWKS_PATH
        self._routes = self._with(_not_yet, _not_yet)

    def show(self, documents: Documents) -> None:
        """Serves `documents` from now on."""
        headers = (
            ("content-type", "application/json"),
            ("cache-control", f"public, max-age={documents.cache_seconds}"),
            ("x-content-type-options", "nosniff"),
            *_CORS,
        )
        self._routes = self._with(
            _resource(documents.discovery, headers), _resource(documents.jwks, headers)
        )

    def __call__(self, request: Request) -> Response:
        return self._routes(request)

    def _with(self, discovery: Resource, jwks: Resource) -> ReadOnlyRoutes:
        resources = {self.discovery_path: discovery, self.jwks_path: jwks}
        return ReadOnlyRoutes(resources, options=_PREFLIGHT)


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


def _resource(document: Document, headers: Headers) -> CachedResource:
    return CachedResource.of(document.body, etag=document.etag, headers=headers)


def _not_yet(_: Request) -> Response:
    """Before the first bundle: not an empty key set, which would mean revocation."""
    waiting = text(503, "no bundle has arrived yet", (("cache-control", "no-store"), *_CORS))
    return with_headers(waiting, (("retry-after", str(_RETRY_AFTER_SECONDS)),))
