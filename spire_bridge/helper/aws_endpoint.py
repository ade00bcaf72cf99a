"""Credentials of AWS over loopback, as SDKs ask for them by AWS_CONTAINER_CREDENTIALS_FULL_URI."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from spire_bridge.credentials.aws.container import credentials_body, error_body
from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.helper.loopback_guard import carries, is_local
from spire_bridge.listen.http import Headers, Request, Response

DEFAULT_PATH = "/aws/credentials"

_PRIVATE: Headers = (("content-type", "application/json"), ("cache-control", "no-store"))


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
        if not is_local(request):
            return _refused(403, "Forbidden", "only requests of this machine to itself")
        if request.path != self.path:
            return _refused(404, "NotFound", "no credentials at this path")
        if request.method != "GET":
            return _refused(405, "MethodNotAllowed", "only GET", (("allow", "GET"),))
        if not carries(request, "authorization", self.authorization):
            return _refused(401, "Unauthorized", "not the token of this endpoint")
        latest = self.credentials()
        if latest is None or latest.expires_at <= self.clock():
            return _refused(503, "NotReady", "no credentials at the moment")
        return Response(200, _PRIVATE, credentials_body(latest))


def _refused(status: int, code: str, message: str, headers: Headers = ()) -> Response:
    return Response(status, (*_PRIVATE, *headers), error_body(code, message))
