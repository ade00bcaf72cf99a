"""A constant load on an issuer: at least 200 reads a second, half on fresh connections."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
from command_line import environment

from readers.findings import Absence, Expectation, Tally
from readers.place import Place

READS_PER_SECOND = 200

SUPPORT = Path(__file__).parents[1]
PATIENCE_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Load:
    """The load from the side of a test, which declares what may be read."""

    def __init__(self, process: asyncio.subprocess.Process, expectation: Expectation) -> None:
        self._process = process
        self._expectation = expectation

    async def expect(self, *key_sets: Iterable[str]) -> None:
        """From now on the key set is one of these, told by their key IDs."""
        await self._set(replace(self._expectation, key_sets=frozenset(map(frozenset, key_sets))))

    @asynccontextmanager
    async def growth(self) -> AsyncIterator[None]:
        """Meanwhile there may be one key more, of any ID."""
        await self._set(replace(self._expectation, one_more=True))
        yield
        await self._set(replace(self._expectation, one_more=False))

    @asynccontextmanager
    async def absence(self, how: Absence) -> AsyncIterator[None]:
        """Meanwhile nobody may be listening. What is answered must be right even so."""
        await self._set(replace(self._expectation, absence=how))
        yield
        await self._set(replace(self._expectation, absence=Absence.NONE))

    @asynccontextmanager
    async def unverified(self) -> AsyncIterator[None]:
        """Meanwhile the readers take any certificate."""
        await self._set(replace(self._expectation, verified=False))
        yield
        await self._set(replace(self._expectation, verified=True))

    async def goes_on(self, reads: int = READS_PER_SECOND) -> None:
        """Returns once so many more reads were answered right; fails at the first failure."""
        wanted = (await self.tally()).good + reads
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (tally := await self.tally()).good < wanted:
                assert not tally.failed, tally
                await asyncio.sleep(0.05)

    async def tally(self) -> Tally:
        """The load so far."""
        return await self._set(self._expectation)

    async def end(self) -> Tally:
        """The whole load, once every read that has begun has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self._told()

    async def _set(self, expectation: Expectation) -> Tally:
        self._expectation = expectation
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(expectation) + b"\n")
        return await self._told()

    async def _told(self) -> Tally:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await self._process.stdout.readline()
        assert line, "the load has ended by itself"
        return msgspec.json.decode(line, type=Tally)


@asynccontextmanager
async def load_on(place: Place, *key_sets: Iterable[str]) -> AsyncIterator[Load]:
    """Reads the issuer at `place`, whose key set is one of `key_sets`, until the end.

    Fails there if one read has failed, or if the machine was too slow to be a load.
    """
    async with unjudged_load_on(place, *key_sets) as load:
        yield load
        judge(await load.end())


@asynccontextmanager
async def unjudged_load_on(place: Place, *key_sets: Iterable[str]) -> AsyncIterator[Load]:
    """The same, whatever is found."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "readers.reading", msgspec.json.encode(place).decode()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1024 * 1024,
        env=environment(PYTHONPATH=str(SUPPORT)),
    )
    try:
        load = Load(process, Expectation(frozenset(map(frozenset, key_sets))))
        await load.tally()
        yield load
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def judge(tally: Tally) -> None:
    """Fails for a read that failed, and for a load that was none."""
    _log.info("load has ended: %s, %.1f reads a second", tally, tally.per_second)
    assert not tally.failed, tally
    assert tally.per_second >= READS_PER_SECOND, f"the machine is too slow for the load: {tally}"
    # A little more than half are fresh where kept connections had to be opened anew.
    assert 0.4 <= tally.fresh / tally.good <= 0.7, tally
