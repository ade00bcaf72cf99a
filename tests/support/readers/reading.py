"""The load's own process: reads that begin on time, and a judgement of each answer.

Started with a `Place` as JSON in its argument. Each line on standard input is an
`Expectation`, in force at once and answered by a `Tally` on standard output. When the
input ends, no more reads begin, and one more `Tally` tells of all that have.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import sys
import time
from collections import deque

import msgspec
from loopback_http import Answer, Line

from readers.findings import Expectation, Failure, Kind, Tally
from readers.place import Place

# A little more than the 200 a second that are asked for.
READS_PER_SECOND = 220
PATIENCE_SECONDS = 5.0

# A machine that is overloaded gets no more than this at once; the rate falls then.
MAX_IN_FLIGHT = 400
MAX_KEPT = 200

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"


class Failed(Exception):
    """A read that found something else than it should."""

    def __init__(self, kind: Kind, what: object) -> None:
        super().__init__(f"{what!r}"[:300])
        self.kind = kind


class Reading:
    """Reads both documents in turn, each on a fresh connection and on a kept one."""

    def __init__(self, place: Place, expectation: Expectation) -> None:
        self._place = place
        self._tls = {verified: place.tls(verified=verified) for verified in (True, False)}
        self._expectations = [expectation]
        self._kept: deque[Line] = deque()
        self._discovery: bytes | None = None
        self._key_sets: dict[frozenset[str], bytes] = {}
        self._began = time.monotonic()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._tally = Tally()

    def tally(self) -> Tally:
        """The load so far."""
        self._tally.seconds = time.monotonic() - self._began
        return self._tally

    def expect(self, expectation: Expectation) -> None:
        """In force for reads that end from now on; those under way may find either."""
        self._expectations.append(expectation)

    async def go_on(self) -> None:
        """Reads for ever. A read begins when it is due, whatever became of those before."""
        for number in itertools.count():
            due = self._began + number / READS_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            while len(self._in_flight) >= MAX_IN_FLIGHT:
                await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
            path = DISCOVERY if number % 4 < 2 else KEYS
            task = asyncio.create_task(self._read(path, fresh=number % 2 == 0))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

    async def settle(self) -> Tally:
        """The load once the reads under way have ended, which took nothing from its time."""
        seconds = self.tally().seconds
        await asyncio.gather(*self._in_flight)
        self._tally.seconds = seconds
        return self._tally

    async def _read(self, path: str, *, fresh: bool) -> None:
        since, began = len(self._expectations) - 1, time.monotonic()
        line = None if fresh else self._kept_line()
        was_kept = line is not None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if line is None:
                    tls = self._tls[self._expectations[-1].verified]
                    line = await self._place.connect(tls)
                answer = await line.ask(path)
            self._judge(path, answer, since)
        except (Failed, OSError, EOFError) as error:
            if line is not None:
                line.writer.transport.abort()
            failure = Failure(
                round(time.monotonic() - self._began, 3),
                _kind(error, was_kept=was_kept),
                path,
                not was_kept,
                str(error) or type(error).__name__,
            )
            self._note(failure, since)
            return
        took = time.monotonic() - began
        self._tally.good += 1
        self._tally.fresh += not was_kept
        self._tally.slowest_seconds = max(self._tally.slowest_seconds, round(took, 3))
        self._put_back(line, answer, fresh=fresh)

    def _kept_line(self) -> Line | None:
        """One that the server hasn't closed while nothing was asked on it."""
        while self._kept:
            line = self._kept.popleft()
            if not line.reader.at_eof() and line.reader.exception() is None:
                return line
            line.writer.transport.abort()
        return None

    def _put_back(self, line: Line, answer: Answer, *, fresh: bool) -> None:
        if fresh or answer.headers.get("connection") == "close" or len(self._kept) >= MAX_KEPT:
            line.writer.close()
        else:
            self._kept.append(line)

    def _judge(self, path: str, answer: Answer, since: int) -> None:
        """Raises `Failed` for an answer that is not one of those expected meanwhile."""
        if answer.status != 200:
            raise Failed(Kind.STATUS, (answer.status, answer.body))
        if path == DISCOVERY:
            self._discovery = self._discovery or answer.body
            if answer.body != self._discovery:
                raise Failed(Kind.DISCOVERY, answer.body)
            return
        try:
            key_set = frozenset(key["kid"] for key in json.loads(answer.body)["keys"])
        except (ValueError, KeyError, TypeError):
            raise Failed(Kind.KEYS, answer.body) from None
        if not any(e.includes(key_set) for e in self._expectations[since:]):
            raise Failed(Kind.KEYS, sorted(key_set))
        if self._key_sets.setdefault(key_set, answer.body) != answer.body:
            raise Failed(Kind.KEYS, answer.body)

    def _note(self, failure: Failure, since: int) -> None:
        if any(e.allows(failure.kind) for e in self._expectations[since:]):
            away = self._tally.away
            away[failure.kind] = away.get(failure.kind, 0) + 1
        else:
            self._tally.note(failure)


def _kind(error: Exception, *, was_kept: bool) -> Kind:
    match error:
        case Failed():
            return error.kind
        case TimeoutError():
            return Kind.LATE
        case ConnectionRefusedError() | FileNotFoundError():
            return Kind.REFUSED
        case ssl.SSLError():
            return Kind.HANDSHAKE
    answered = isinstance(error, asyncio.IncompleteReadError) and (
        error.partial or error.expected is not None
    )
    return Kind.PARTED if was_kept and not answered else Kind.CUT


async def main(place: Place) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    reading: Reading | None = None
    going_on: asyncio.Task[None] | None = None
    while line := await lines.readline():
        expectation = msgspec.json.decode(line, type=Expectation)
        if reading is None:
            reading = Reading(place, expectation)
            going_on = asyncio.create_task(reading.go_on())
        elif going_on is not None and going_on.done():
            going_on.result()  # a defect of the load itself
        else:
            reading.expect(expectation)
        tell(reading.tally())
    if reading is not None and going_on is not None:
        going_on.cancel()
        tell(await reading.settle())


def tell(tally: Tally) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(tally) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Place)))
