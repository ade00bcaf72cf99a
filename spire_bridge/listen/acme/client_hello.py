"""Of a TLS client's first message, the two things that tell a CA's challenge from a caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# More than any CA sends; what is longer is left to OpenSSL.
MAX_BYTES = 16 * 1024

# RFC 8446, sections 4 and 5.1; RFC 6066, section 3; RFC 7301, section 3.1.
_HANDSHAKE_RECORD = 22
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_HOST_NAME = 0
_ALPN = 16


@dataclass(frozen=True, slots=True)
class ClientHello:
    """Empty where the client says nothing; the name in lower case."""

    server_name: str = ""
    protocols: tuple[bytes, ...] = ()


def read_client_hello(data: bytes) -> ClientHello | None:
    """What the first bytes of a connection say; None while more of them are needed.

    What is no ClientHello, or a broken or overlong one, says nothing. Never raises.
    """
    try:
        message = _first_message(data)
        return ClientHello() if message is None else _parse(message)
    except _MoreNeeded:
        return None if len(data) < MAX_BYTES else ClientHello()
    except _Broken:
        return ClientHello()


class _MoreNeeded(Exception):
    """The connection's bytes end before the message does."""


class _Broken(Exception):
    """A length within the message leads out of it."""


def _first_message(data: bytes) -> bytes | None:
    """The body of the ClientHello, which may stand in several records; None for anything else."""
    handshake = bytearray()
    position = 0
    while len(handshake) < 4 or len(handshake) < 4 + int.from_bytes(handshake[1:4]):
        if data[position : position + 1] not in {b"", bytes((_HANDSHAKE_RECORD,))}:
            return None
        if len(data) < position + 5:
            raise _MoreNeeded
        end = position + 5 + int.from_bytes(data[position + 3 : position + 5])
        handshake += data[position + 5 : end]
        if handshake and handshake[0] != _CLIENT_HELLO:
            return None
        if len(data) < end:
            raise _MoreNeeded
        position = end
    return bytes(handshake[4 : 4 + int.from_bytes(handshake[1:4])])


def _parse(message: bytes) -> ClientHello:
    hello = _Reader(message)
    hello.take(2 + 32)  # version, random
    hello.vector(1)  # session
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression methods
    if hello.at_end:
        return ClientHello()
    name = ""
    protocols: tuple[bytes, ...] = ()
    for kind, extension in _pairs(hello.vector(2), 2):
        if kind == _SERVER_NAME:
            name = _host_name(extension)
        elif kind == _ALPN:
            protocols = tuple(_protocols(extension))
    return ClientHello(name, protocols)


def _host_name(extension: _Reader) -> str:
    for kind, name in _pairs(extension.vector(2), 1):
        if kind == _HOST_NAME:
            return name.rest().decode("ascii", "replace").lower()
    return ""


def _protocols(extension: _Reader) -> Iterator[bytes]:
    names = extension.vector(2)
    while not names.at_end:
        yield names.vector(1).rest()


def _pairs(reader: _Reader, kind_bytes: int) -> Iterator[tuple[int, _Reader]]:
    while not reader.at_end:
        kind = int.from_bytes(reader.take(kind_bytes))
        yield kind, reader.vector(2)


class _Reader:
    """Bytes from front to back; raises `_Broken` past the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    @property
    def at_end(self) -> bool:
        return self._position == len(self._data)

    def take(self, count: int) -> bytes:
        start, self._position = self._position, self._position + count
        if self._position > len(self._data):
            raise _Broken
        return self._data[start : self._position]

    def vector(self, length_bytes: int) -> _Reader:
        """A part that stands behind its length."""
        return _Reader(self.take(int.from_bytes(self.take(length_bytes))))

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._position)
