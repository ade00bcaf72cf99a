"""From the bytes of one connection to requests: llhttp reads them, through httptools.

llhttp refuses what request smuggling lives on: bare line feeds, Content-Length beside
Transfer-Encoding, repeated or signed lengths, folded headers. Refused here besides: any
transfer coding but chunked, a request without exactly one Host, versions other than 1.0
and 1.1, and more bytes than the limits allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httptools

from spire_bridge.listen.http import Request, Response, text
from spire_bridge.listen.limits import MAX_BODY_BYTES, Limits

# What may come in several fields, which are one list (RFC 9110, section 5.3).
_LISTS = frozenset({"if-none-match", "transfer-encoding"})

_BAD_REQUEST = text(400, "bad request")
_TOO_LARGE_HEAD = text(431, "request header fields too large")
_TOO_LARGE_BODY = text(413, "content too large")
_BAD_VERSION = text(505, "http version not supported")


class RequestReader:
    """Calls `on_request` with each request, and whether the client keeps the connection.

    `peer` is for the requests to tell. Of `limits`, those count that are about bytes.
    """

    def __init__(
        self, on_request: Callable[[Request, bool], None], peer: str, limits: Limits
    ) -> None:
        self._on_request, self._peer = on_request, peer
        self._max_head_bytes = limits.max_head_bytes
        self._keeps_bodies = limits.keeps_bodies
        self._parser: Any = httptools.HttpRequestParser(self)
        self._refusal: Response | None = None
        self._unfinished_bytes = 0
        self.on_message_begin()
        self.has_begun = False  # whether a request has begun to arrive, and not ended

    def feed(self, data: bytes) -> Response | None:
        """Reads on. The answer is a refusal, after which the connection must be closed."""
        self._unfinished_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return self._refusal  # the request was answered, as the last one
        except httptools.HttpParserError:
            return self._refusal or _BAD_REQUEST
        if not self._head_complete and self._unfinished_bytes > self._max_head_bytes:
            return _TOO_LARGE_HEAD
        if self._unfinished_bytes > self._max_head_bytes + MAX_BODY_BYTES:  # extensions, trailers
            return self._refusal or _TOO_LARGE_BODY
        return self._refusal

    # httptools calls these while it reads.

    def on_message_begin(self) -> None:
        self.has_begun = True
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._body_bytes = 0
        self._body: list[bytes] = []
        self._head_complete = False
        self._hosts = 0
        self._repeated: frozenset[str] = frozenset()

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        key = name.decode("latin-1").lower()
        self._hosts += key == "host"
        if key not in self._headers:  # the first one counts
            self._headers[key] = value.decode("latin-1")
        elif key in _LISTS:
            self._headers[key] += ", " + value.decode("latin-1")
        else:
            self._repeated |= {key}

    def on_headers_complete(self) -> None:
        self._head_complete = True
        if self._refusal is None:
            self._refusal = self._judge_head()

    def on_body(self, part: bytes) -> None:
        self._body_bytes += len(part)
        if self._body_bytes > MAX_BODY_BYTES:
            self._refusal = self._refusal or _TOO_LARGE_BODY
        elif self._keeps_bodies and self._refusal is None:
            self._body.append(part)

    def on_message_complete(self) -> None:
        self._unfinished_bytes = 0
        self.has_begun = False
        if self._refusal is not None:
            return
        path = _path(self._url)
        if path is None:
            self._refusal = _BAD_REQUEST
            return
        method = self._parser.get_method().decode("ascii")
        # No other protocol is spoken here: who asks for one gets an answer and a close.
        keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        target = self._url.decode("ascii")
        request = Request(
            method,
            path,
            self._headers,
            target,
            self._peer,
            self._repeated,
            b"".join(self._body),
        )
        self._on_request(request, keep_alive)

    def _judge_head(self) -> Response | None:
        version = self._parser.get_http_version()
        if version not in {"1.0", "1.1"}:
            return _BAD_VERSION
        if self._head_bytes + len(self._url) > self._max_head_bytes:
            return _TOO_LARGE_HEAD
        if self._hosts > 1 or (self._hosts == 0 and version == "1.1"):
            return _BAD_REQUEST
        coding = self._headers.get("transfer-encoding")
        if coding is not None and (coding.lower() != "chunked" or version == "1.0"):
            return _BAD_REQUEST
        return None


def _path(url: bytes) -> str | None:
    """The decoded path of a request target; None if it is no UTF-8 or no URL at all."""
    try:
        raw = httptools.parse_url(url).path or b"/"
        return unquote(raw.decode("ascii"), errors="strict")
    except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
        return None
