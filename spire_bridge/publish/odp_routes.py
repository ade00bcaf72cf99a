"""The documents as SPIRE's oidc-discovery-provider serves them: paths, hosts, statuses, bodies.

Where this differs on purpose stands in `docs/odp-differences.json`, which the
differential test reads.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from urllib.parse import quote, unquote, urlsplit

from spire_bridge.issuer.document import Document
from spire_bridge.issuer.documents import discovery_document
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import DISCOVERY_PATH, JWKS_PATH
from spire_bridge.listen.http import CachedResource, Headers, Request, Resource, Response
from spire_bridge.publish.domain_policy import DomainPolicy, DomainRefused

_CORS: Headers = (("access-control-allow-origin", "*"),)
# The order of go-jose.
_JWK_MEMBERS = ("use", "kty", "kid", "crv", "alg", "x", "y", "n", "e")
_FORWARDED_PROTO = re.compile(r"(?:proto=)(https|http)", re.IGNORECASE)


# Kubernetes asks for an unknown key only when all but 30 seconds of the lifetime are over.
DEFAULT_CACHE_SECONDS = 30

_NO_STORE: Headers = (
    ("cache-control", "no-cache, no-store, must-revalidate"),
    ("pragma", "no-cache"),
    ("expires", "0"),
)
_REFERENCE_ALGORITHMS = ("RS256", "ES256", "ES384")


@dataclass(frozen=True, slots=True)
class OdpRules:
    """The options that shape the documents; empty strings are what is not set.

    `as_reference` are those of `odp_switches.SWITCHES` that are to be as the reference has them.
    """

    domains: DomainPolicy
    jwt_issuer: str = ""
    jwks_uri: str = ""
    path_prefix: str = ""
    allow_insecure_scheme: bool = False
    tls: bool = False
    cache_seconds: int = DEFAULT_CACHE_SECONDS
    as_reference: frozenset[str] = frozenset()


class OdpRoutes:
    """Serves one key set under the hosts that the rules allow."""

    def __init__(self, rules: OdpRules) -> None:
        self._rules = rules
        prefix = rules.path_prefix or "/"
        # Without a leading slash the reference takes a prefix for a host: nothing is found.
        reachable = prefix.startswith("/")
        self._discovery_path = _segments(_joined(prefix, DISCOVERY_PATH)) if reachable else None
        self._jwks_path = _segments(_joined(prefix, JWKS_PATH)) if reachable else None
        self._key_set: KeySet | None = None
        self._jwks: Resource | None = None
        self.methods = ("GET",) if "head" in rules.as_reference else ("GET", "HEAD")

    def show(self, key_set: KeySet) -> None:
        """Serves `key_set` from now on."""
        keys = key_set.to_jwks()["keys"]
        ordered = [{name: key[name] for name in _JWK_MEMBERS if name in key} for key in keys]
        self._key_set = key_set
        self._jwks = self._resource(Document.of({"keys": ordered}), instead_of_lifetime=_NO_STORE)

    def __call__(self, request: Request) -> Response:
        moved = redirection(request)
        if moved is not None:
            return moved
        target = _Target.of(request)
        segments = _segments(target.path)
        if segments not in {self._discovery_path, self._jwks_path}:
            return go_error(404, "404 page not found")
        if request.method not in self.methods:
            refusal = go_error(405, "method not allowed")
            allowed = ("allow", ", ".join(self.methods))
            return Response(405, (*refusal.headers, allowed), refusal.body)
        if segments == self._jwks_path:
            return self._serve_keys(request)
        return self._serve_discovery(request, target.host)

    def _serve_keys(self, request: Request) -> Response:
        if self._jwks is None or self._key_set is None:
            return go_error(500, "document not available")
        if not self._key_set.keys:
            return go_error(501, "jwt not supported/enabled in this service")
        return self._jwks(request)

    def _serve_discovery(self, request: Request, host: str) -> Response:
        host = _as_utf8(request.headers.get("x-forwarded-host") or host)
        try:
            self._rules.domains.check(_without_port(host))
        except DomainRefused as error:
            return go_error(400, str(error))
        insecure = self._rules.allow_insecure_scheme and not self._rules.tls
        scheme = "http" if insecure and _forwarded_scheme(request.headers) != "https" else "https"
        document = _discovery_for(self._rules, scheme, host, self._algorithms())
        return self._resource(document)(request)

    def _algorithms(self) -> tuple[str, ...]:
        if "actual-algorithms" in self._rules.as_reference:
            return _REFERENCE_ALGORITHMS
        return self._key_set.algorithms() if self._key_set is not None else ()

    def _resource(self, document: Document, instead_of_lifetime: Headers = ()) -> Resource:
        """`instead_of_lifetime` are the headers that the reference has in its place."""
        lifetime: Headers = (("cache-control", f"public, max-age={self._rules.cache_seconds}"),)
        if "cache-lifetime" in self._rules.as_reference:
            lifetime = instead_of_lifetime
        headers = (("content-type", "application/json"), *lifetime, *_CORS)
        body = _go_json(document.body)
        if "etag" in self._rules.as_reference:
            answer = Response(200, headers, body)
            return lambda _: answer
        return CachedResource.of(body, etag=document.etag, headers=headers)


@dataclass(frozen=True, slots=True)
class _Target:
    """A request target: its host, its path still encoded, its query with the `?` or empty."""

    host: str
    path: str
    query: str

    @classmethod
    def of(cls, request: Request) -> _Target:
        """The host of an absolute target counts, not the header (RFC 9112, section 3.2.2)."""
        target = request.target or quote(request.path)
        path, mark, query = target.partition("?")
        host = request.headers.get("host", "")
        if not path.startswith("/") and "://" in path:
            host, slash, rest = path.partition("://")[2].partition("/")
            path = slash + rest
        return cls(host, path, mark + query if query else "")


@lru_cache(maxsize=256)
def _discovery_for(
    rules: OdpRules, scheme: str, host: str, algorithms: tuple[str, ...]
) -> Document:
    prefix = rules.path_prefix or "/"
    origin = f"{scheme}://{host}"
    if rules.jwt_issuer:
        issuer = _lower_scheme(rules.jwt_issuer)
        parts = urlsplit(rules.jwt_issuer)
        keys = f"{parts.scheme}://{parts.netloc}{_joined(parts.path or '/', 'keys')}"
    else:
        issuer = origin if prefix == "/" else origin + _encoded(prefix)
        keys = origin + _joined(prefix, "keys")
    jwks_uri = _lower_scheme(rules.jwks_uri) if rules.jwks_uri else keys
    return discovery_document(issuer, jwks_uri, algorithms)


def go_error(status: int, message: str) -> Response:
    """An error as Go's net/http writes it."""
    headers = (
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
    )
    return Response(status, headers, f"{message}\n".encode())


def redirection(request: Request) -> Response | None:
    """To the clean path, as Go's net/http does it; None for one that is clean."""
    target = _Target.of(request)
    clean = _clean(target.path)
    if clean == target.path or request.method == "CONNECT":
        return None
    location = _encoded(clean) + target.query
    headers: Headers = (("location", location),)
    if request.method not in {"GET", "HEAD"}:
        return Response(307, headers)
    body = f'<a href="{_html_escaped(location)}">Temporary Redirect</a>.\n\n'.encode()
    return Response(307, (*headers, ("content-type", "text/html; charset=utf-8")), body)


def _forwarded_scheme(headers: Mapping[str, str]) -> str:
    """The scheme that a proxy tells of: the first of three headers that is there."""
    for name in ("x-forwarded-proto", "x-forwarded-scheme"):
        if headers.get(name):
            return headers[name].lower()
    match = _FORWARDED_PROTO.search(headers.get("forwarded", ""))
    return match[1].lower() if match else ""


def _without_port(host: str) -> str:
    """The host of `host:port`; all of it where it is not of that form (Go's SplitHostPort)."""
    if host.startswith("[") and "]:" in host:
        return host[1 : host.index("]")]
    name, colon, _ = host.rpartition(":")
    return name if colon and ":" not in name else host


def _clean(path: str) -> str:
    """A request path without empty and relative segments; a trailing slash stays."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _segments(path: str) -> tuple[str, ...]:
    """The decoded segments: an encoded slash separates none."""
    return tuple(unquote(segment) for segment in path.split("/"))


def _encoded(path: str) -> str:
    """`path` as a URL has it; what is encoded already stays as it is."""
    return quote(path, safe="/:@!$&'()*+,;=~-._%")


def _as_utf8(header: str) -> str:
    return header.encode("latin-1", errors="replace").decode(errors="replace")


def _html_escaped(text: str) -> str:
    """As Go writes it."""
    return escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _go_json(body: bytes) -> bytes:
    """Go's encoder writes these three as escapes; both mean the same."""
    for mark in (b"&", b"<", b">"):
        body = body.replace(mark, b"\\u00%02x" % ord(mark))
    return body


def _joined(base: str, element: str) -> str:
    """The two as one absolute, clean path (Go's url.JoinPath)."""
    return _encoded(posixpath.normpath("/" + (base.strip("/") + "/" + element).lstrip("/")))


def _lower_scheme(url: str) -> str:
    scheme, colon, rest = url.partition(":")
    return scheme.lower() + colon + rest
