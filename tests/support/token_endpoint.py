"""A token endpoint and a proxy on loopback, that do as they are told byte for byte."""

from __future__ import annotations

import base64
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"

Converse = Callable[[socket.socket, bytes], None]


def answering(data: bytes) -> Converse:
    """Sends these bytes, whatever was asked."""
    return lambda connection, _: connection.sendall(data)


def http(status: int = 200, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Listening:
    """`requests` are the heads and bodies that came."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def origin(self) -> str:
        return f"{LOOPBACK}:{self.port}"


@contextmanager
def listening(converse: Converse, tls: ssl.SSLContext | None = None) -> Iterator[Listening]:
    """Has `converse` speak on each connection once a request is there."""
    with socket.create_server((LOOPBACK, 0)) as server:
        at = Listening(server.getsockname()[1])

        def each(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    request = read_request(connection)
                    at.requests.append(request)
                    converse(connection, request)

        def accept() -> None:
            while not at.stopping.is_set():
                with suppress(OSError):
                    connection, _ = server.accept()
                    threads.append(threading.Thread(target=each, args=(connection,)))
                    threads[-1].start()

        threads = [threading.Thread(target=accept)]
        threads[0].start()
        try:
            yield at
        finally:
            at.stopping.set()
            server.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65_536)):
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length and (piece := connection.recv(65_536)):
        body += piece
    return head + b"\r\n\r\n" + body


def proxying(credentials: str | None = None, target: str | None = None) -> Converse:
    """CONNECT to where it is asked, or to `target`; 407 without the credentials."""

    def converse(connection: socket.socket, request: bytes) -> None:
        start, *lines = request.decode("latin-1").split("\r\n")
        method, where, _ = start.split(" ")
        if credentials is not None:
            wanted = base64.b64encode(credentials.encode()).decode()
            if f"Proxy-Authorization: Basic {wanted}" not in lines:
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
        if method != "CONNECT":
            connection.sendall(http(200, b"by the proxy"))
            return
        host, _, port = (target or where).rpartition(":")
        with socket.create_connection((host, int(port))) as onward:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pump(connection, onward)

    return converse


def pump(one: socket.socket, other: socket.socket) -> None:
    """Passes on what either says, until one ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                source, sink = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                if not (piece := source.recv(65_536)):
                    return
                sink.sendall(piece)
