"""HTTP/2 frames (RFC 9113 sections 4 and 6): their bytes, and nothing of what they mean."""

from __future__ import annotations

from collections.abc import Iterator

from spire_bridge.transport.unary.errors import NotUnderstood
from spire_bridge.value import Value

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_PAYLOAD_BYTES = 16_384  # unless a peer is told that it may be more (section 4.2)

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE = 0, 1, 3, 4, 5
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20

_HEADER_BYTES = 9
_PRIORITY_BYTES = 5


class Frame(Value):
    """One frame; `stream` is 0 for those of the connection."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    def encode(self) -> bytes:
        head = len(self.payload).to_bytes(3, "big") + bytes((self.kind, self.flags))
        return head + self.stream.to_bytes(4, "big") + self.payload

    def content(self) -> bytes:
        """The payload of DATA or HEADERS without padding and priority (sections 6.1 and 6.2)."""
        content = self.payload
        if self.flags & PADDED:
            padding = content[0] if content else 0
            if padding >= len(content):
                raise NotUnderstood("padding")
            content = content[1 : len(content) - padding]
        if self.kind == HEADERS and self.flags & PRIORITY:
            if len(content) < _PRIORITY_BYTES:
                raise NotUnderstood("priority")
            content = content[_PRIORITY_BYTES:]
        return content


class FrameReader:
    """Cuts what arrives, in pieces of any size, into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raises `NotUnderstood` for one that is too large."""
        self._rest += data
        while len(self._rest) >= _HEADER_BYTES:
            length = int.from_bytes(self._rest[:3], "big")
            if length > MAX_PAYLOAD_BYTES:
                raise NotUnderstood("frame size")
            end = _HEADER_BYTES + length
            if len(self._rest) < end:
                return
            head, payload = self._rest[:_HEADER_BYTES], bytes(self._rest[_HEADER_BYTES:end])
            del self._rest[:end]
            stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF  # the first bit is reserved
            yield Frame(head[3], head[4], stream, payload)
