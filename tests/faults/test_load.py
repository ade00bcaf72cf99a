"""The load itself: whatever a service does wrong, the load says so, and a test fails by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from child_process import LOOPBACK
from readers.findings import Absence, Kind, Tally
from readers.load import Load, judge, unjudged_load_on
from readers.place import Place
from readers.reading import DISCOVERY, KEYS
from trust_domains.under_test import eventually

Disturbance = Callable[[bytes], bytes | None]

BODIES = {DISCOVERY: {"issuer": "https://issuer.test"}, KEYS: {"keys": [{"kid": "one"}]}}


class Issuer:
    """Answers well, unless `disturb` makes something else of an answer: None closes instead."""

    def __init__(self) -> None:
        self.disturb: Disturbance = lambda answer: answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = json.dumps(BODIES[head.split()[1].decode()]).encode()
                answer = self.disturb(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                )
                if answer is None:
                    break
                writer.write(answer)
        writer.close()


def replacing(before: bytes, after: bytes) -> Disturbance:
    assert len(before) == len(after)
    return lambda answer: answer.replace(before, after)


@pytest.fixture
async def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def server(issuer: Issuer) -> AsyncIterator[asyncio.Server]:
    async with await asyncio.start_server(issuer.serve, LOOPBACK) as server:
        yield server


@pytest.fixture
def place(server: asyncio.Server) -> Place:
    return Place(LOOPBACK, server.sockets[0].getsockname()[1])


WRONG: dict[str, tuple[Kind, Disturbance]] = {
    "another status": (Kind.STATUS, replacing(b"200", b"503")),
    "another issuer": (Kind.DISCOVERY, replacing(b"issuer.test", b"others.test")),
    "another key": (Kind.KEYS, replacing(b'"one"', b'"two"')),
    "no keys": (Kind.KEYS, replacing(b'{"kid": "one"}', b" " * 14)),
    "no JSON": (Kind.KEYS, replacing(b'"one"}', b'"one",')),
    "the same keys in other bytes": (Kind.KEYS, replacing(b'"keys": [', b'"keys":[ ')),
    "the last byte is missing": (Kind.LATE, lambda answer: answer[:-1]),
    "no answer": (Kind.CUT, lambda _: None),
}


@pytest.mark.parametrize(("kind", "disturb"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_answer_is_found(
    issuer: Issuer, place: Place, kind: Kind, disturb: Disturbance
) -> None:
    async with unjudged_load_on(place, {"one"}) as load:
        await load.goes_on(50)
        issuer.disturb = disturb
        tally = await eventually(lambda: found(load))
    assert kind in {failure.kind for failure in tally.failures}


async def test_what_is_answered_during_an_absence_must_be_right(
    issuer: Issuer, place: Place, server: asyncio.Server
) -> None:
    async with unjudged_load_on(place, {"one"}) as load:
        await load.goes_on(50)
        async with load.absence(Absence.STOPPED):
            server.close()
            await eventually(lambda: missed(load))
            issuer.disturb = replacing(b"200", b"503")
            async with await asyncio.start_server(issuer.serve, place.host, place.port):
                tally = await eventually(lambda: found(load))
    assert {failure.kind for failure in tally.failures} == {Kind.STATUS}


async def test_nobody_there_is_a_failure_unless_an_absence_was_declared(
    place: Place, server: asyncio.Server
) -> None:
    async with unjudged_load_on(place, {"one"}) as load:
        await load.goes_on(50)
        server.close()
        tally = await eventually(lambda: found(load))
    assert tally.failures[0].kind is Kind.REFUSED


@pytest.mark.parametrize(
    "tally",
    [
        Tally(seconds=10, good=1999, fresh=1000),
        Tally(seconds=10, good=2200, fresh=2200),
        Tally(seconds=10, good=2200, fresh=1100, failed=1),
    ],
    ids=["too slow", "all fresh", "one failed"],
)
def test_a_load_that_was_none_does_not_pass(tally: Tally) -> None:
    judge(Tally(seconds=10, good=2000, fresh=1000))
    with pytest.raises(AssertionError):
        judge(tally)


async def found(load: Load) -> Tally | None:
    """The load once it has found a failure."""
    tally = await load.tally()
    return tally if tally.failed else None


async def missed(load: Load) -> Tally | None:
    """The load once it has found nobody, as it may."""
    tally = await load.tally()
    return tally if Kind.REFUSED in tally.away else None
