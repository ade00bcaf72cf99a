"""A GET on a connection that stays open."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.request import urlopen


class HttpClient:
    def __init__(self, connection: http.client.HTTPConnection, path: str) -> None:
        self._connection = connection
        self._path = path

    def get(self) -> bytes:
        """The body of a 200. Raises `RuntimeError` for any other status."""
        self._connection.request("GET", self._path)
        with self._connection.getresponse() as response:
            body = response.read()
            if response.status != 200:
                raise RuntimeError(f"{self._path} answered {response.status}")
            return body

    def round_trip_seconds(self) -> float:
        started = time.perf_counter()
        self.get()
        return time.perf_counter() - started


@contextmanager
def http_client(port: int, path: str) -> Iterator[HttpClient]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        yield HttpClient(connection, path)


def get(url: str) -> bytes:
    """The body of a 200, whoever has signed the certificate. Raises `OSError`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urlopen(url, timeout=5, context=context if url.startswith("https:") else None) as response:
        body: bytes = response.read()
        return body
