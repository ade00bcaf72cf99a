"""Several issuers behind one listener, told apart by path, and by host where paths are shared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from spire_bridge.listen.http import Request, Response, text
from spire_bridge.publish.routes import IssuerRoutes

_NOT_FOUND = text(404, "not found")
_MISDIRECTED = text(421, "no issuer of this host is served here")


class IssuersByPlace:
    """Hands each request to the issuer whose documents it asks for.

    An issuer that has its path for itself answers whatever host a request names, so
    nothing that a client or a proxy writes there can change what it reads. `host_of` tells
    the host where issuers share a path; a host of none of them is misdirected (RFC 9110,
    section 15.5.20).
    """

    def __init__(
        self, issuers: Iterable[IssuerRoutes], *, host_of: Callable[[Request], str]
    ) -> None:
        self._host_of = host_of
        at_path: dict[str, dict[str, IssuerRoutes]] = defaultdict(dict)
        for issuer in issuers:
            for path in (issuer.discovery_path, issuer.jwks_path):
                at_path[path][issuer.host] = issuer
        self._sharing = {p: by_host for p, by_host in at_path.items() if len(by_host) > 1}
        self._alone = {
            p: issuer
            for p, by_host in at_path.items()
            if p not in self._sharing
            for issuer in by_host.values()
        }

    def __call__(self, request: Request) -> Response:
        issuer = self._alone.get(request.path)
        if issuer is not None:
            return issuer(request)
        sharing = self._sharing.get(request.path)
        if sharing is None:
            return _NOT_FOUND
        named = sharing.get(self._host_of(request))
        return named(request) if named is not None else _MISDIRECTED
