"""One HTTP/1.1 connection: requests in, answers out, in order and within time."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import select
import termios
import time
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from math import inf
from typing import cast

from spire_bridge.listen.connections import Connections
from spire_bridge.listen.http import Request, Response, text
from spire_bridge.listen.request_reader import RequestReader

# Answers that wait for a client to take them; one that asks for more is cut off.
MAX_WAITING_BYTES = 1024 * 1024

# Requests that arrive together: more than these would have everybody else wait for one.
MAX_PIPELINED = 64

# What a client may still send once it was told that no more is answered.
MAX_IGNORED_BYTES = 256 * 1024

_DEFECT = text(500, "internal server error")

_log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """Answers one client until it goes, is refused, or lets its time run out.

    Each answer is written once it is known whether it is the last: when the next one is
    there, or when all that has arrived is read.
    """

    def __init__(self, connections: Connections, peer: str) -> None:
        self._connections = connections
        self._limits = connections.limits
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader(self._answer, peer, self._limits)
        self._unwritten: tuple[Response, bool] | None = None
        self._idle = True  # between two requests, or before the first
        self._ended = False  # nothing more is answered
        self._untaken = False  # answers wait for the client
        self._ignored_bytes = 0
        self._answered_at_once = 0
        self.established = False
        self.deadline = inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.established = True
        self._allow(self._limits.request_seconds)
        self._connections.establish(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._ended = True
        self._connections.lose(self)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            self._ignore(data)
            return
        if self._idle:
            self._idle = False
            self._allow(self._limits.request_seconds)
        self._answered_at_once = 0
        refusal = self._reader.feed(data)
        if self._ended:
            return
        if refusal is not None:
            self._write_unwritten(keep_alive=True)
            self._write(refusal, with_body=True, keep_alive=False)
            self._end_in_stages()
        elif self._unwritten is not None:
            self._go_on()

    def pause_writing(self) -> None:
        """The client takes no answers, so it is asked for no requests."""
        self._untaken = True
        self._transport.pause_reading()
        self._allow(self._limits.request_seconds)

    def resume_writing(self) -> None:
        self._untaken = False
        self._transport.resume_reading()
        if self._idle and not self._ended:
            self._allow(self._limits.idle_seconds)

    def retire(self) -> None:
        """Ends the connection if nothing is asked or answered on it."""
        if self._ended or not self._idle:
            return
        if self._has_unread():
            return
        if not self._has_untaken():
            self._connections.dismiss(self)
        self._end_in_stages()

    def settle(self) -> None:
        """Lets go of a client that has its last answer, and keeps the connection open."""
        if self._ended and not self._has_untaken():
            self._connections.dismiss(self)

    def abort(self) -> None:
        self._ended = True
        self._transport.abort()

    def _answer(self, request: Request, keep_alive: bool) -> None:
        if self._ended:
            return
        if self._transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self.abort()
            return
        self._write_unwritten(keep_alive=True)
        self._unwritten = self._respond(request), request.method != "HEAD"
        self._answered_at_once += 1
        if not keep_alive or self._answered_at_once == MAX_PIPELINED:
            self._write_unwritten(keep_alive=False)
            self._end()

    def _go_on(self) -> None:
        """All that has arrived is read, and an answer is ready."""
        begun = self._reader.has_begun
        last = self._connections.draining and not begun
        self._write_unwritten(keep_alive=not last)
        if last:
            self._end_in_stages()
            return
        self._idle = not begun
        waited_for = begun or self._untaken
        self._allow(self._limits.request_seconds if waited_for else self._limits.idle_seconds)

    def _respond(self, request: Request) -> Response:
        try:
            return self._connections.handler(request)
        except Exception:  # noqa: BLE001 - a defect is one request's trouble, and has to be seen
            _log.exception("request was not answered", extra={"path": request.path})
            return _DEFECT

    def _write_unwritten(self, *, keep_alive: bool) -> None:
        if self._unwritten is not None:
            (response, with_body), self._unwritten = self._unwritten, None
            self._write(response, with_body=with_body, keep_alive=keep_alive)

    def _write(self, response: Response, *, with_body: bool, keep_alive: bool) -> None:
        start, rest = _encoded(response, with_body, keep_alive)
        self._transport.write(start + _date_header(int(time.time())) + rest)

    def _end(self) -> None:
        """Closes the connection once what was answered has been sent."""
        self._ended = True
        self._allow(self._limits.request_seconds)
        self._transport.close()

    def _end_in_stages(self) -> None:
        """Says that nothing follows, and lets the client close (RFC 9112, section 9.6).

        What it has on its way to a closed socket would be met by a reset, which destroys
        answers that it has not read yet. TLS says so by itself, with close_notify.
        """
        if not self._transport.can_write_eof():
            self._end()
            return
        self._ended = True
        self._allow(self._limits.request_seconds)
        self._transport.write_eof()

    def _ignore(self, data: bytes) -> None:
        self._ignored_bytes += len(data)
        if self._ignored_bytes > MAX_IGNORED_BYTES:
            self.abort()

    def _has_unread(self) -> bool:
        """Whether something has arrived that the event loop has not delivered yet."""
        descriptor = self._descriptor()
        if descriptor < 0:
            return False
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def _has_untaken(self) -> bool:
        """Whether an answer is still on its way to the client.

        The kernel's queue tells it too of what asyncio holds below TLS, and doesn't count.
        """
        if self._transport.get_write_buffer_size() > 0:
            return True
        descriptor, queued = self._descriptor(), bytearray(4)
        if descriptor >= 0:
            with suppress(OSError):  # not every system tells
                fcntl.ioctl(descriptor, termios.TIOCOUTQ, queued)
        return any(queued)

    def _descriptor(self) -> int:
        """The socket's; negative once it is closed."""
        client = self._transport.get_extra_info("socket")
        return -1 if client is None else cast("int", client.fileno())

    def _allow(self, seconds: float) -> None:
        self.deadline = self._loop.time() + seconds


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
