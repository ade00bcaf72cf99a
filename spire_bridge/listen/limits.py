"""What a client may take of a listener: time, connections and bytes."""

from __future__ import annotations

from dataclasses import dataclass

# A larger body is refused with 413, be it kept or not.
MAX_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """For one listener; the defaults suit documents that everyone may fetch.

    `request_seconds` is for each of: a TLS handshake, a request to arrive whole, an answer
    to be taken. `idle_seconds` is for the time between two requests; over TLS also for
    taking an answer that is not the last, since asyncio doesn't tell that it waits.
    Connections over `max_connections` are closed at once; a head over `max_head_bytes` is
    refused with 431.

    `keeps_bodies` has handlers see what clients send, up to `MAX_BODY_BYTES`; otherwise it is
    read past, and ten thousand clients that send slowly cost no memory.
    """

    request_seconds: float = 10.0
    idle_seconds: float = 75.0
    max_connections: int = 10_000
    max_head_bytes: int = 32 * 1024
    keeps_bodies: bool = False
