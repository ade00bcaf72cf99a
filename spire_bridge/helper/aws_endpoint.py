"""Credentials of AWS over loopback, as SDKs ask for them by AWS_CONTAINER_CREDENTIALS_FULL_URI.

Any process of this machine can connect, and so can a web page in a browser on it or a program
that was talked into a request (SSRF, DNS rebinding). Hence a token that only who may read its
file can send, and no answer to what a browser or a proxy would say.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from spire_bridge.credentials.aws.container import credentials_body, error_body
from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.listen.http import Headers, Request, Response

DEFAULT_PATH = "/aws/credentials"

# What a proxy adds, and what a browser adds to a request of a page.
_OF_OTHERS = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "via", "origin"})
_PRIVATE: Headers = (("content-type", "application/json"), ("cache-control", "no-store"))


def new_authorization() -> str:
    """The content of a new token file, for AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class AwsEndpoint:
    """Answers with the latest of `credentials`, at once, to who sends `authorization`.

    That is the content of the token file. `credentials` must not block; it returns None while
    there are none. `clock` gives seconds since the epoch.
    """

    credentials: Callable[[], TemporaryCredentials | None] = field(repr=False)
    authorization: str = field(repr=False)
    path: str = DEFAULT_PATH
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def __call__(self, request: Request) -> Response:
        if not _is_local(request):
            return _refused(403, "Forbidden", "only requests of this machine to itself")
        if request.path != self.path:
            return _refused(404, "NotFound", "no credentials at this path")
        if request.method != "GET":
            return _refused(405, "MethodNotAllowed", "only GET", (("allow", "GET"),))
        if not self._is_authorized(request):
            return _refused(401, "Unauthorized", "not the token of this endpoint")
        latest = self.credentials()
        if latest is None or latest.expires_at <= self.clock():
            return _refused(503, "NotReady", "no credentials at the moment")
        return Response(200, _PRIVATE, credentials_body(latest))

    def _is_authorized(self, request: Request) -> bool:
        sent = request.headers.get("authorization", "")
        same = hmac.compare_digest(sent.encode(), self.authorization.encode())
        return same and bool(self.authorization) and "authorization" not in request.repeated


def _is_local(request: Request) -> bool:
    """From this machine, to a name of its own, and nobody between."""
    if not _OF_OTHERS.isdisjoint(request.headers) or "host" in request.repeated:
        return False
    if request.peer and not _is_loopback(request.peer):
        return False
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return host == "localhost" or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _refused(status: int, code: str, message: str, headers: Headers = ()) -> Response:
    return Response(status, (*_PRIVATE, *headers), error_body(code, message))
