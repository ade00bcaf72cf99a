"""One HTTP/1.1 connection: requests in, answers out, in order and within time."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast

from spire_bridge.listen.http import Handler, Request, Response, text
from spire_bridge.listen.request_reader import RequestReader

MAX_CONNECTIONS = 10_000

# Seconds: for a request to arrive whole or an answer to be taken, and between requests.
REQUEST_SECONDS = 10.0
IDLE_SECONDS = 75.0

# Answers that wait for a client to take them; one that asks for more is cut off.
MAX_WAITING_BYTES = 4 * 1024 * 1024

_DEFECT = text(500, "internal server error")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Connections:
    """The open connections of one listener, and what they share."""

    handler: Handler
    draining: bool = False
    open: set[Connection] = field(default_factory=set)
    none_left: asyncio.Event = field(default_factory=asyncio.Event)  # set only while draining

    def close_overdue(self, now: float) -> None:
        """Ends the connections whose time is over, by the event loop's clock."""
        for connection in [c for c in self.open if c.deadline <= now]:
            connection.abort()

    def drain(self) -> None:
        """Ends the idle connections; the others end with their next answer."""
        self.draining = True
        for connection in [c for c in self.open if c.idle]:
            connection.close()
        self._note_if_none_left()

    def lost(self, connection: Connection) -> None:
        self.open.discard(connection)
        self._note_if_none_left()

    def _note_if_none_left(self) -> None:
        if self.draining and not self.open:
            self.none_left.set()

    def abort(self) -> None:
        for connection in list(self.open):
            connection.abort()


class Connection(asyncio.Protocol):
    """Answers one client until it goes, is refused, or lets its time run out."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader(self._answer)
        self.idle = True
        self.deadline = self._loop.time() + REQUEST_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if len(self._connections.open) >= MAX_CONNECTIONS:
            self._transport.abort()
        else:
            self._connections.open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._connections.lost(self)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self.idle:
            self.idle = False
            self.deadline = self._loop.time() + REQUEST_SECONDS
        refusal = self._reader.feed(data)
        if refusal is not None and not self._transport.is_closing():
            self._write(refusal, with_body=True, keep_alive=False)
            self.close()

    def pause_writing(self) -> None:
        """The client takes no answers, so it is asked for no requests."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def close(self) -> None:
        """Ends the connection once what was answered has been sent."""
        self.deadline = self._loop.time() + REQUEST_SECONDS
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _answer(self, request: Request, keep_alive: bool) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self.abort()
            return
        keep_alive = keep_alive and not self._connections.draining
        response = self._respond(request)
        self._write(response, with_body=request.method != "HEAD", keep_alive=keep_alive)
        if keep_alive:
            self.idle = True
            self.deadline = self._loop.time() + IDLE_SECONDS
        else:
            self.close()

    def _respond(self, request: Request) -> Response:
        try:
            return self._connections.handler(request)
        except Exception:  # noqa: BLE001 - a defect is one request's trouble, and has to be seen
            _log.exception("request was not answered", extra={"path": request.path})
            return _DEFECT

    def _write(self, response: Response, *, with_body: bool, keep_alive: bool) -> None:
        start, rest = _encoded(response, with_body, keep_alive)
        self._transport.write(start + _date_header(int(time.time())) + rest)


@lru_cache(maxsize=32)
def _encoded(response: Response, with_body: bool, keep_alive: bool) -> tuple[bytes, bytes]:
    """The bytes before and after the Date header; documents are answered over and over."""
    start = f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
    headers = list(response.headers)
    if response.status not in {204, 304}:
        headers.append(("content-length", str(len(response.body))))
    if not keep_alive:
        headers.append(("connection", "close"))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    body = response.body if with_body else b""
    return start.encode("ascii"), head.encode("latin-1") + body


@lru_cache(maxsize=2)
def _date_header(epoch_seconds: int) -> bytes:
    """The Date header (RFC 9110, section 6.6.1), made once a second."""
    return f"date: {formatdate(epoch_seconds, usegmt=True)}\r\n".encode("ascii")
