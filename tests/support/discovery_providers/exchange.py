"""One request in exact bytes, and the answer as it came, over TCP, TLS or a unix socket."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path

from child_process import LOOPBACK

_SECONDS = 10.0


@dataclass(frozen=True)
class Request:
    """Header names may come more than once; without Host among them none is sent."""

    target: str = "/keys"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = (("Host", "domain.test"),)
    version: str = "HTTP/1.1"
    line_end: str = "\r\n"

    def encoded(self) -> bytes:
        lines = [f"{self.method} {self.target} {self.version}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return self.line_end.join([*lines, "", ""]).encode()

    def __str__(self) -> str:
        headers = " ".join(f"{name}={value!r}" for name, value in self.headers)
        return f"{self.method} {self.target} {headers}"


@dataclass(frozen=True)
class Answer:
    """Header names are lower case; the date is left out."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Place:
    """Where a program listens: a port on loopback, maybe with TLS, or a unix socket."""

    port: int = 0
    path: Path | None = None
    tls: bool = False

    def ask(self, request: Request) -> Answer:
        with self._connected() as line:
            line.sendall(request.encoded())
            response = HTTPResponse(line, method=request.method)
            response.begin()
            body = response.read()
            headers = {name.lower(): value for name, value in response.getheaders()}
            headers.pop("date", None)
            return Answer(response.status, headers, body)

    def answers(self) -> bool:
        """Whether anybody listens there."""
        try:
            self.ask(Request())
        except OSError:
            return False
        return True

    def certificate(self) -> bytes:
        """What a new TLS handshake is answered with, DER."""
        with self._connected() as line:
            assert isinstance(line, ssl.SSLSocket)
            return line.getpeercert(binary_form=True) or b""

    def _connected(self) -> socket.socket:
        if self.path is not None:
            line = socket.socket(socket.AF_UNIX)
            line.settimeout(_SECONDS)
            try:
                line.connect(str(self.path))
            except OSError:
                line.close()
                raise
            return line
        line = socket.create_connection((LOOPBACK, self.port), _SECONDS)
        return _any_certificate().wrap_socket(line) if self.tls else line


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
