"""What a request asks for: by query, by form or in JSON, and each thing once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from spire_bridge.listen.http import Request

MAX_PARAMETERS = 100

_FORM = "application/x-www-form-urlencoded"


class InvalidParameters(Exception):
    """A request can't be read; `repeated` is the parameter that came more than once, if any."""

    def __init__(self, message: str, repeated: str = "") -> None:
        super().__init__(message)
        self.repeated = repeated


def query(request: Request) -> dict[str, str]:
    """The parameters in the request target. Raises `InvalidParameters`."""
    return _parameters(request.target.partition("?")[2])


def form(request: Request) -> dict[str, str]:
    """The parameters of a POSTed form (HTML, application/x-www-form-urlencoded).

    Raises `InvalidParameters`.
    """
    if media_type(request) != _FORM:
        raise InvalidParameters(f"the content is not {_FORM}")
    try:
        text = request.body.decode("ascii")
    except UnicodeDecodeError:
        raise InvalidParameters("the form is not percent-encoded") from None
    return _parameters(text)


def json_object(request: Request) -> Mapping[str, Any]:
    """The JSON object that was POSTed; an empty body is an empty one.

    Raises `InvalidParameters`.
    """
    if not request.body:
        return {}
    try:
        value = json.loads(request.body.decode())
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise InvalidParameters("the content is no JSON") from None
    if not isinstance(value, dict):
        raise InvalidParameters("the content is no JSON object")
    return value


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _parameters(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError:  # UnicodeDecodeError is one
        raise InvalidParameters("the parameters are no UTF-8, or too many") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidParameters("a parameter comes more than once", repeated=name)
        found[name] = value
    return found
