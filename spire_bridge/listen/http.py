"""Requests, responses and routes, as handlers see them whatever server is beneath."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is decoded and without the query; header names are lower case.

    `target` is the request target as it came (RFC 9112, section 3.2). `peer` is the IP
    address at the other end of the connection, IPv4 as such even over an IPv6 socket;
    empty for a unix socket. Of a header that came more than once and is no list,
    `headers` has the first value, and `repeated` the name. `body` is empty at a listener
    whose limits don't keep bodies.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    target: str = ""
    peer: str = ""
    repeated: frozenset[str] = frozenset()
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """Content-Length is added by the server, from `body`."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class Handler(Protocol):
    """What a listener serves. Synchronous: answers are made before they are asked for.

    One that has to wait belongs to a listener in an event loop of its own.
    """

    def __call__(self, request: Request) -> Response: ...


Resource = Callable[[Request], Response]


def text(status: int, message: str, headers: Headers = ()) -> Response:
    """A short plain answer for a person with curl."""
    return Response(
        status, (("content-type", "text/plain; charset=utf-8"), *headers), f"{message}\n".encode()
    )


@dataclass(frozen=True, slots=True)
class ReadOnlyRoutes:
    """Resources by exact path, for GET and HEAD; everything else is 404 or 405.

    `options` answers OPTIONS, where that is admitted.
    """

    resources: Mapping[str, Resource]
    options: Response | None = None

    def __call__(self, request: Request) -> Response:
        resource = self.resources.get(request.path)
        if resource is None:
            return text(404, "not found")
        if request.method in {"GET", "HEAD"}:
            return resource(request)
        if request.method == "OPTIONS" and self.options is not None:
            return self.options
        allowed = "GET, HEAD" if self.options is None else "GET, HEAD, OPTIONS"
        return text(405, "method not allowed", (("allow", allowed),))


@dataclass(frozen=True, slots=True)
class CachedResource:
    """A body that stays the same until it is replaced, with a strong ETag (RFC 9110, 13.1.2)."""

    full: Response
    not_modified: Response
    etag: str

    @classmethod
    def of(cls, body: bytes, *, etag: str, headers: Headers) -> CachedResource:
        validators = (("etag", etag), *headers)
        return cls(Response(200, validators, body), Response(304, validators), etag)

    def __call__(self, request: Request) -> Response:
        condition = request.headers.get("if-none-match")
        if condition is not None and _matches(condition, self.etag):
            return self.not_modified
        return self.full


def with_headers(response: Response, headers: Headers) -> Response:
    return replace(response, headers=(*response.headers, *headers))


def _matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison against a list of entity tags, or `*`."""
    if if_none_match.strip() == "*":
        return True
    return etag in {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
