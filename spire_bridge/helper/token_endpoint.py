"""A JWT-SVID over loopback, for programs that ask a URL for their token.

Google's SDKs do so with the credential source `url`, and send the headers that their
configuration names.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from spire_bridge.helper.loopback_guard import carries, is_local
from spire_bridge.listen.http import Headers, Request, Response, text

DEFAULT_PATH = "/token"
DEFAULT_HEADER = "authorization"

_PRIVATE: Headers = (("cache-control", "no-store"),)


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Answers with the latest token, at once, to who sends `secret` in `header`.

    The answer is the token itself or, with a `field_name`, a JSON object with it in that
    member. `token` must not block; it returns None while there is none that is valid.
    `secret` is the content of a file that only the program may read.
    """

    token: Callable[[], str | None] = field(repr=False)
    secret: str = field(repr=False)
    path: str = DEFAULT_PATH
    header: str = DEFAULT_HEADER
    field_name: str = ""

    def __call__(self, request: Request) -> Response:
        if not is_local(request):
            return text(403, "only requests of this machine to itself", _PRIVATE)
        if request.path != self.path:
            return text(404, "no token at this path", _PRIVATE)
        if request.method != "GET":
            return text(405, "only GET", (*_PRIVATE, ("allow", "GET")))
        if not carries(request, self.header.lower(), self.secret):
            return text(401, "not the secret of this endpoint", _PRIVATE)
        token = self.token()
        if token is None:
            return text(503, "no token at the moment", _PRIVATE)
        if self.field_name:
            body, kind = json.dumps({self.field_name: token}), "application/json"
        else:
            body, kind = token, "text/plain; charset=utf-8"  # no newline: SDKs do not strip it
        return Response(200, (*_PRIVATE, ("content-type", kind)), body.encode())
