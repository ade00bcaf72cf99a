"""An ACME server that refuses every account, and tells when to renew: what Pebble does not do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


@dataclass
class BusyCa:
    """`problem` and `retry_after` are its answer to a new account; `window` is ARI's."""

    directory_url: str = ""
    problem: Mapping[str, Any] = field(default_factory=dict)
    retry_after: str = ""
    window: tuple[str, str] | None = None
    asked: list[str] = field(default_factory=list)


@contextmanager
def busy_ca(**options: Any) -> Iterator[BusyCa]:
    """Serves at a port of 127.0.0.1, from a thread."""
    ca = BusyCa(**options)

    class Requests(_Requests):
        at = ca

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        ca.directory_url = f"http://127.0.0.1:{server.server_port}/dir"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield ca
        finally:
            server.shutdown()
            thread.join()


class _Requests(BaseHTTPRequestHandler):
    at: ClassVar[BusyCa]

    def do_GET(self) -> None:
        self.at.asked.append(self.path)
        if self.path == "/dir":
            base = self.at.directory_url.removesuffix("/dir")
            names = ["newNonce", "newAccount", "newOrder"]
            names += ["renewalInfo"] if self.at.window else []
            self._answer(200, {name: f"{base}/{name}" for name in names})
        elif self.at.window and self.path.startswith("/renewalInfo/"):
            start, end = self.at.window
            self._answer(200, {"suggestedWindow": {"start": start, "end": end}})
        else:
            self._answer(200 if self.path == "/empty" else 404, {})

    def do_HEAD(self) -> None:
        self._answer(200, None)

    def do_POST(self) -> None:
        self.at.asked.append(self.path)
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(int(self.at.problem["status"]), self.at.problem)

    def _answer(self, status: int, body: Mapping[str, Any] | None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("replay-nonce", "AAAAAAAAAAAAAAAAAAAAAA")
        if status >= 400 and self.at.retry_after:
            self.send_header("retry-after", self.at.retry_after)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""
