"""A thousand idle connections, slow clients, bombs, smuggled requests and spoofed hosts."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from hostile_requests import (
    BOMBS,
    HEAD,
    REFUSED,
    SMUGGLED,
    SPELLINGS_OF_KEYS,
    SPOOFED_HEADERS,
    SPOOFED_HOSTS,
)
from loopback_http import Line
from operated_issuer import OperatedIssuer
from readers.load import load_on
from readers.place import Place
from readers.reading import DISCOVERY, KEYS

pytestmark = pytest.mark.timeout(120)

# With TLS fewer: on a machine of two cores the handshakes alone would be the attack.
IDLE_CONNECTIONS = {"tcp": 1000, "tls": 200}
OPENED_AT_ONCE = 50  # a relying party waits no longer than it takes to accept these
SLOW_CLIENTS, DEAF_CLIENTS = 50, 10
ROUNDS = 3
FILES = 4096

ASKING = HEAD + b"\r\n"

# For a request to arrive whole; the service looks for overdue ones once a second.
REQUEST_SECONDS = 10.0
CUT_SECONDS = 2 * REQUEST_SECONDS


@pytest.fixture(autouse=True)
def room_for_connections() -> Iterator[None]:
    """Files that this process and those that it starts may open."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before, min(FILES, most)), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@pytest.mark.parametrize(
    ("trust_domain", "transport"),
    [("sandbox", "tcp"), ("sandbox", "tls"), ("spire", "tcp")],
    indirect=True,
)
async def test_readers_do_not_notice_hostile_clients(
    issuer: OperatedIssuer, transport: str
) -> None:
    half = IDLE_CONNECTIONS[transport] // 2
    place, discovery, keys = issuer.place, await issuer.discovery(), (await issuer.keys()).body
    async with AsyncExitStack() as stack, load_on(place, await issuer.key_ids()) as load:
        silent = await opened(place, half, stack)
        kept = await opened(place, half, stack)
        for line in kept:
            assert (await line.ask(KEYS)).body == keys
        for line in await opened(place, DEAF_CLIENTS, stack):
            line.writer.transport.pause_reading()
            line.writer.write(ASKING * 1000)
        async with asyncio.TaskGroup() as attacks:
            for number in range(SLOW_CLIENTS):
                attacks.create_task(is_cut_though_it_sends(place, number))
            for name, data in REFUSED.items():
                attacks.create_task(is_refused(place, name, data))
            for name, data in BOMBS.items():
                attacks.create_task(is_refused_or_cut(place, name, data))
            attacks.create_task(nothing_changes_the_documents(place, discovery, keys))
        for line in silent:
            assert await line.closed(CUT_SECONDS)
        for line in kept:
            assert (await line.ask(KEYS)).body == keys
        await load.goes_on()
    assert [entry for entry in issuer.entries() if entry["level"] not in {"info", "debug"}] == []


async def opened(place: Place, count: int, stack: AsyncExitStack) -> list[Line]:
    """So many connections, which stay open until the stack is left."""
    lines: list[Line] = []
    for start in range(0, count, OPENED_AT_ONCE):
        some = [place.line() for _ in range(start, min(start + OPENED_AT_ONCE, count))]
        lines += await asyncio.gather(*map(stack.enter_async_context, some))
    return lines


async def is_refused(place: Place, name: str, data: bytes) -> None:
    """One answer, which is no document, and nothing to what comes behind."""
    for _ in range(ROUNDS):
        answer = await all_answered(place, data + SMUGGLED)
        assert answer is not None, f"{name}: the answer was lost"
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 ")), (name, answer)
        assert answer.count(b"HTTP/1.1 ") == 1, (name, answer)


async def is_refused_or_cut(place: Place, name: str, data: bytes) -> None:
    """The same for those that send on and on; a reset may take the answer with it."""
    for _ in range(ROUNDS):
        answer = await all_answered(place, data)
        if answer:
            assert answer[9:12] in {b"400", b"413", b"431"}, (name, answer)
            assert answer.count(b"HTTP/1.1 ") == 1, (name, answer)


async def all_answered(place: Place, data: bytes) -> bytes | None:
    """What comes until the server closes the connection; None if it resets it."""
    async with place.line() as line, asyncio.timeout(CUT_SECONDS):
        line.writer.write(data)
        try:
            return await line.reader.read()
        except ConnectionError:
            return None


async def is_cut_though_it_sends(place: Place, number: int) -> None:
    """A request that comes byte by byte, and never whole, ends by the server's hand."""
    begun, more = (b"GET /keys HTTP/1.1\r\nHost: x\r\nX: ", b"y") if number % 2 else (b"", b"G")
    async with place.line() as line, asyncio.timeout(CUT_SECONDS):
        line.writer.write(begun)
        closing = asyncio.create_task(line.closed(CUT_SECONDS))
        while not closing.done():
            line.writer.write(more)
            await asyncio.wait([closing], timeout=1.0)
        assert closing.result()


async def nothing_changes_the_documents(place: Place, discovery: bytes, keys: bytes) -> None:
    async with place.line() as line:
        for headers in SPOOFED_HEADERS:
            for path, body in ((DISCOVERY, discovery), (KEYS, keys)):
                answer = await line.ask(path, headers=headers)
                assert (answer.status, answer.body) == (200, body), headers
    for target, host, body in (
        *((DISCOVERY, host, discovery) for host in SPOOFED_HOSTS),
        *((f"http://evil.example{DISCOVERY}", host, discovery) for host in SPOOFED_HOSTS),
        *((target, "evil.example", keys) for target in SPELLINGS_OF_KEYS),
    ):
        async with place.line() as line:
            answer = await line.ask(target, headers={"host": host})
            assert answer.status == 400 or (answer.status, answer.body) == (200, body), target
