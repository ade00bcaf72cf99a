"""JSON as the clouds answer it."""

from __future__ import annotations

import json
from typing import Any

from spire_bridge.listen.http import Headers, Response


def json_answer(status: int, content: Any, headers: Headers = ()) -> Response:
    """`no-store`, as for every answer that may hold a token (RFC 6749, section 5.1)."""
    common = (("content-type", "application/json; charset=utf-8"), ("cache-control", "no-store"))
    return Response(status, (*common, *headers), json.dumps(content).encode())
