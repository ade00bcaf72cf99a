"""One gRPC request and its answer on one HTTP/2 connection, without I/O.

gRPC over HTTP/2 (PROTOCOL-HTTP2 of the gRPC project) on RFC 9113 with prior knowledge.
"""

from __future__ import annotations

from collections.abc import Iterable

from spire_bridge.transport.unary import fields
from spire_bridge.transport.unary import frames as h2
from spire_bridge.transport.unary.errors import NotUnderstood
from spire_bridge.transport.unary.fields import Field
from spire_bridge.transport.unary.frames import Frame, FrameReader
from spire_bridge.value import Value

MAX_MESSAGE_BYTES = 4 * 1024 * 1024  # as the gRPC library's own default
MAX_FIELDS_BYTES = 64 * 1024

_STREAM = 1
_CONNECTION = 0
_MESSAGE_PREFIX_BYTES = 5
_PING_BYTES = 8
_GOAWAY_BYTES = 8

_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE = 1, 2, 4
_DEFAULT_WINDOW_BYTES = 65_535
_WINDOW_BYTES = 2 * MAX_MESSAGE_BYTES  # so that no update is ever due


class Answer(Value):
    """How a call has ended: gRPC's status number, its text, and the message if there is one."""

    status: int
    details: bytes
    message: bytes | None


def opening(path: str, message: bytes, metadata: Iterable[Field]) -> bytes:
    """All that the client has to say: the preface, its settings and the whole request.

    Raises `NotUnderstood` for a request that takes more than one frame.
    """
    request = fields.encode(
        (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", b"localhost"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *metadata,
        )
    )
    data = b"\0" + len(message).to_bytes(4, "big") + message
    if max(len(request), len(data)) > h2.MAX_PAYLOAD_BYTES:
        raise NotUnderstood("a request of several frames")
    settings = {_HEADER_TABLE_SIZE: 0, _ENABLE_PUSH: 0, _INITIAL_WINDOW_SIZE: _WINDOW_BYTES}
    parts = [name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in settings.items()]
    more_room = (_WINDOW_BYTES - _DEFAULT_WINDOW_BYTES).to_bytes(4, "big")
    return h2.PREFACE + b"".join(
        frame.encode()
        for frame in (
            Frame(h2.SETTINGS, 0, _CONNECTION, b"".join(parts)),
            Frame(h2.WINDOW_UPDATE, 0, _CONNECTION, more_room),
            Frame(h2.HEADERS, h2.END_HEADERS, _STREAM, request),
            Frame(h2.DATA, h2.END_STREAM, _STREAM, data),
        )
    )


class Exchange:
    """The peer's side, read as it comes; `answer` is None until it is complete.

    Everything that a plain answer does not need raises `NotUnderstood`.
    """

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self._reader = FrameReader()
        self._greeted = False  # the peer's settings come first (RFC 9113 section 3.4)
        self._block: bytearray | None = None  # of fields whose end has not come
        self._block_ends_stream = False
        self._body = bytearray()
        self._started = False  # the first fields of the response are here

    def receive(self, data: bytes) -> bytes:
        """Takes what has arrived; returns what is to be sent for it."""
        replies = bytearray()
        for frame in self._reader.feed(data):
            replies += self._take(frame)
            if self.answer is not None:
                break
        return bytes(replies)

    def _take(self, frame: Frame) -> bytes:
        self._check_order(frame)
        match frame.kind:
            case h2.SETTINGS:
                return _settings_reply(frame)
            case h2.PING:
                return _ping_reply(frame)
            case h2.HEADERS:
                self._block = bytearray()
                self._block_ends_stream = bool(frame.flags & h2.END_STREAM)
                self._take_fields(frame)
            case h2.CONTINUATION:
                self._take_fields(frame)
            case h2.DATA:
                self._take_data(frame)
            case h2.GOAWAY:
                _check_goaway(frame)
            case h2.RST_STREAM | h2.PUSH_PROMISE:
                raise NotUnderstood("reset or push")
        return b""  # what is unknown is to be ignored (section 5.5)

    def _check_order(self, frame: Frame) -> None:
        if not self._greeted and (frame.kind != h2.SETTINGS or frame.flags & h2.ACK):
            raise NotUnderstood("no HTTP/2")
        self._greeted = True
        if (self._block is not None) != (frame.kind == h2.CONTINUATION):  # section 6.10
            raise NotUnderstood("a block of fields is interrupted")
        of_stream = frame.kind in {h2.DATA, h2.HEADERS, h2.CONTINUATION}
        if of_stream and frame.stream != _STREAM:
            raise NotUnderstood("a stream that was not opened")

    def _take_data(self, frame: Frame) -> None:
        self._body += frame.content()
        if len(self._body) > MAX_MESSAGE_BYTES + _MESSAGE_PREFIX_BYTES:
            raise NotUnderstood("message size")
        if not self._started or frame.flags & h2.END_STREAM:
            raise NotUnderstood("an answer without fields before or after it")

    def _take_fields(self, frame: Frame) -> None:
        assert self._block is not None
        self._block += frame.content() if frame.kind == h2.HEADERS else frame.payload
        if len(self._block) > MAX_FIELDS_BYTES:
            raise NotUnderstood("size of fields")
        if frame.flags & h2.END_HEADERS:
            block, self._block = bytes(self._block), None
            self._take_block(block)

    def _take_block(self, block: bytes) -> None:
        """The response's fields, its trailers, or both in one when there is no message."""
        found = _wanted(fields.decode(block))
        if not self._started and found.get(b":status") != b"200":
            raise NotUnderstood("HTTP status")
        if self._block_ends_stream:
            status = _status(found.get(b"grpc-status", b""))
            message = None if status else self._message()
            self.answer = Answer(status, found.get(b"grpc-message", b""), message)
        elif self._started:
            raise NotUnderstood("trailers that are not the end")
        self._started = True

    def _message(self) -> bytes | None:
        """The body's one message (Length-Prefixed-Message), uncompressed."""
        prefix, message = self._body[:_MESSAGE_PREFIX_BYTES], self._body[_MESSAGE_PREFIX_BYTES:]
        if not prefix:
            return None
        if prefix != b"\0" + len(message).to_bytes(4, "big"):
            raise NotUnderstood("not one plain message")
        return bytes(message)


def _wanted(block: Iterable[Field]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in block:
        if name in {b":status", b"grpc-status", b"grpc-message"}:
            if name in found:
                raise NotUnderstood("a field twice")
            found[name] = value
    return found


def _status(text: bytes) -> int:
    if not text.isdigit() or len(text) > 2:
        raise NotUnderstood("gRPC status")
    return int(text)


def _settings_reply(frame: Frame) -> bytes:
    """The peer's limits are not looked at: the request is sent, and within the defaults."""
    if frame.stream != _CONNECTION or len(frame.payload) % 6:
        raise NotUnderstood("settings")
    if frame.flags & h2.ACK:
        return b""
    return Frame(h2.SETTINGS, h2.ACK, _CONNECTION, b"").encode()


def _ping_reply(frame: Frame) -> bytes:
    if frame.stream != _CONNECTION or len(frame.payload) != _PING_BYTES:
        raise NotUnderstood("ping")
    if frame.flags & h2.ACK:
        return b""
    return Frame(h2.PING, h2.ACK, _CONNECTION, frame.payload).encode()


def _check_goaway(frame: Frame) -> None:
    """A peer that goes may still answer what it has begun (RFC 9113 section 6.8)."""
    if len(frame.payload) < _GOAWAY_BYTES:
        raise NotUnderstood("goaway")
    if int.from_bytes(frame.payload[:4], "big") & 0x7FFFFFFF < _STREAM:
        raise NotUnderstood("the peer has not begun")
