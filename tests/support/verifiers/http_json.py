"""Plain HTTP with JSON bodies, for tests that ask as a stranger would."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_SECONDS = 10.0


class HttpRefusal(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status} {body.strip()}")
        self.status = status


def ask(method: str, url: str, body: Any = None, **headers: str) -> Any:
    """The JSON of the answer, None if it is empty. Raises `HttpRefusal`, and OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            content = response.read()
    except urllib.error.HTTPError as error:
        with error:
            raise HttpRefusal(error.code, error.read().decode(errors="replace")) from None
    return json.loads(content) if content else None


def get(url: str) -> Any:
    return ask("GET", url)
