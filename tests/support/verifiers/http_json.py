"""Plain HTTP with JSON bodies, for tests that ask as a stranger would."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 10.0

# Past any proxy: all that is asked is on this machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class HttpRefusal(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status} {body.strip()}")
        self.status = status


def ask(
    method: str,
    url: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    *,
    ca: Path | None = None,
) -> Any:
    """The JSON of the answer, None if it is empty. Raises `HttpRefusal`, and OSError."""
    opener = _trusting(ca) if ca else DIRECT
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(headers or {}), method=method)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            content = response.read()
    except urllib.error.HTTPError as error:
        with error:
            raise HttpRefusal(error.code, error.read().decode(errors="replace")) from None
    return json.loads(content) if content else None


def get(url: str, ca: Path | None = None) -> Any:
    return ask("GET", url, ca=ca)


def _trusting(ca: Path) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=ca)
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
