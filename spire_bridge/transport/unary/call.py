"""Making the call: a connection, one exchange, and the end of it by a deadline."""

from __future__ import annotations

import time
from _socket import AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, socket  # see `_connected`
from collections.abc import Iterable

from spire_bridge.transport.rpc_errors import Peer, error_of
from spire_bridge.transport.unary.errors import NotUnderstood
from spire_bridge.transport.unary.exchange import Answer, Exchange, opening
from spire_bridge.transport.unary.fields import Field

_READ_BYTES = 65_536
_MAX_TIMEOUT_MS = 99_999_999  # eight digits (gRPC's Timeout)

# By their numbers, which gRPC fixes.
_STATUSES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)

Endpoint = str | tuple[str, int]  # a unix socket's path, or an IP address and a port


def call(
    endpoint: Endpoint,
    method: str,
    request: bytes,
    *,
    metadata: Iterable[Field],
    deadline: float,
    peer: Peer,
) -> bytes:
    """The answer to one unary call of `method`, `/Service/Method`.

    `deadline` is on the monotonic clock. Raises the `RpcError` of the status that the peer
    answers with, `DeadlineExceeded`, and `NotUnderstood` for all else: nothing can be reached
    at `endpoint`, or what is there does not speak plainly.
    """
    milliseconds = min(int((deadline - time.monotonic()) * 1000) + 1, _MAX_TIMEOUT_MS)
    timeout = (b"grpc-timeout", b"%dm" % max(milliseconds, 1))
    sent = opening(method, request, (timeout, *metadata))
    try:
        answer = _exchanged(endpoint, sent, deadline)
    except TimeoutError:
        raise error_of("DEADLINE_EXCEEDED", "Deadline Exceeded", peer) from None
    except OSError:
        raise NotUnderstood("connection") from None
    if answer.status:
        if answer.status >= len(_STATUSES):
            raise NotUnderstood("gRPC status")
        raise error_of(_STATUSES[answer.status], _text(answer.details), peer)
    if answer.message is None:
        raise NotUnderstood("no message")
    return answer.message


def _exchanged(endpoint: Endpoint, sent: bytes, deadline: float) -> Answer:
    """Raises `OSError`, and `TimeoutError` at the deadline."""
    exchange = Exchange()
    connection = _connected(endpoint, deadline)
    try:
        connection.sendall(sent)
        while True:
            _limit(connection, deadline)
            received = connection.recv(_READ_BYTES)
            if not received:
                raise NotUnderstood("the connection has ended")
            reply = exchange.receive(received)
            if exchange.answer is not None:
                return exchange.answer
            connection.sendall(reply)
    finally:
        connection.close()


def _connected(endpoint: Endpoint, deadline: float) -> socket:
    """A connection by the interpreter's own `_socket`.

    The module `socket` around it makes enumerations of all its constants when it is loaded,
    which takes longer than the call.
    """
    if isinstance(endpoint, str):
        connection = socket(AF_UNIX, SOCK_STREAM)
    else:
        connection = socket(AF_INET6 if ":" in endpoint[0] else AF_INET, SOCK_STREAM)
    try:
        _limit(connection, deadline)
        connection.connect(endpoint)
    except BaseException:
        connection.close()
        raise
    return connection


def _limit(connection: socket, deadline: float) -> None:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    connection.settimeout(remaining)


def _text(details: bytes) -> str:
    """A status's text, which is percent-encoded UTF-8 (Status-Message)."""
    if b"%" in details:
        from urllib.parse import unquote_to_bytes

        details = unquote_to_bytes(details)
    return details.decode(errors="replace")
