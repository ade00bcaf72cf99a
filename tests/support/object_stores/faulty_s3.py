"""A bucket that speaks as much of S3's protocol as a publisher uses, and fails on demand."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

_ERRORS = {
    400: "InvalidArgument",
    403: "AccessDenied",
    301: "Moved",
    302: "Moved",
    404: "NoSuchKey",
    409: "ConditionalRequestConflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    503: "SlowDown",
}
_KEPT = ("Content-Type", "Cache-Control")


@dataclass(frozen=True)
class Content:
    body: bytes
    headers: dict[str, str]

    @property
    def etag(self) -> str:
        return f'"{md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass
class FaultyS3:
    """Objects by path; `refusals` are the statuses of the answers to come, None: as it should.

    While `held` is set no request is answered. With `heeds_conditions` off every write
    succeeds, as with stores that know no conditional writes.
    """

    port: int = 0
    scheme: str = "http"
    objects: dict[str, Content] = field(default_factory=dict)
    refusals: list[int | None] = field(default_factory=list)
    heeds_conditions: bool = True
    held: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def puts(self) -> list[str]:
        return [path for method, path in self.requests if method == "PUT"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # an answer in one piece
    bucket: ClassVar[FaultyS3]

    def do_GET(self) -> None:
        if not self._is_refused():
            content = self.bucket.objects.get(self.path)
            if content is None:
                self._refuse(404)
            else:
                self._answer(200, content.body, {**content.headers, "ETag": content.etag})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._is_refused():
            return
        there = self.bucket.objects.get(self.path)
        etag = there.etag if there else None
        conditions = (
            self.headers["If-None-Match"] != "*" or there is None,
            self.headers["If-Match"] in (None, etag),
        )
        if self.bucket.heeds_conditions and not all(conditions):
            self._refuse(412)
            return
        headers = {name: self.headers[name] for name in _KEPT if self.headers[name]}
        self.bucket.objects[self.path] = content = Content(body, headers)
        self._answer(200, b"", {"ETag": content.etag})

    def _is_refused(self) -> bool:
        self.bucket.requests.append((self.command, self.path))
        if self.bucket.held:
            self.bucket.released.wait()
        status = self.bucket.refusals.pop(0) if self.bucket.refusals else None
        if status is not None:
            self._refuse(status)
        return status is not None

    def _refuse(self, status: int) -> None:
        text = f"<Error><Code>{_ERRORS[status]}</Code><Message>secret</Message></Error>"
        self._answer(status, text.encode(), {"Content-Type": "application/xml"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status, HTTPStatus(status).phrase)
        self.send_header("Last-Modified", "Wed, 25 Nov 2026 12:00:00 GMT")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silence."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle belong to the tests."""


@contextmanager
def faulty_s3(tls: ssl.SSLContext | None = None) -> Iterator[FaultyS3]:
    bucket = FaultyS3(scheme="https" if tls else "http")

    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    bucket.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield bucket
    finally:
        bucket.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
