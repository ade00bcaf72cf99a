"""FetchJWTSVID on a warm connection beside PyPI's `spiffe`, and the cache beside the call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

from spiffe import WorkloadApiClient

from benchmarks.child import Child
from benchmarks.spire import MISSING, spire
from benchmarks.table import Row, Target
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.jwt_source import JwtSource

ROUNDS = 9
CALLS = 400
CACHED_CALLS = 4000
AUDIENCE = "benchmark"

_WHAT = "FetchJWTSVID, warm, p50"


@dataclass(slots=True)
class Medians:
    """The median of each round, in microseconds."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    cached: list[float] = field(default_factory=list)


def run() -> Iterator[Row]:
    with Child("sandbox_agent") as sandbox:
        (address,) = sandbox.ask("addresses", count=1)
        measured = asyncio.run(_measure(address))
        yield _beside_spiffe(f"{_WHAT}, sandbox agent", measured)
        yield Row.compared(
            "a cached token, p50",
            measured.cached,
            measured.ours,
            unit="µs",
            beside="a warm call",
            target=Target(0.05),
        )
    with spire() as real:
        if real is None:
            yield Row.absent(f"{_WHAT}, SPIRE's agent", MISSING)
        else:
            yield _beside_spiffe(f"{_WHAT}, SPIRE's agent", asyncio.run(_measure(real.address)))


def _beside_spiffe(what: str, measured: Medians) -> Row:
    return Row.compared(
        what,
        measured.ours,
        measured.theirs,
        unit="µs",
        beside="PyPI spiffe",
        target=Target(1.0),
    )


async def _measure(address: str) -> Medians:
    medians = Medians()
    theirs = WorkloadApiClient(address, default_timeout=10)
    try:
        async with WorkloadClient(address) as ours, JwtSource(ours) as source:
            for _ in range(ROUNDS + 1):
                medians.ours.append(await _our_calls(ours))
                medians.theirs.append(_timed(lambda: theirs.fetch_jwt_svid({AUDIENCE}), CALLS))
                medians.cached.append(await _cached_calls(source))
    finally:
        theirs.close()
    for rounds in (medians.ours, medians.theirs, medians.cached):
        del rounds[0]  # it warmed up
    return medians


async def _our_calls(client: WorkloadClient) -> float:
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await client.fetch_jwt_svids([AUDIENCE])
        times.append(time.perf_counter() - started)
    return median(times) * 1e6


async def _cached_calls(source: JwtSource) -> float:
    times = []
    for _ in range(CACHED_CALLS):
        started = time.perf_counter()
        await source.get(AUDIENCE)
        times.append(time.perf_counter() - started)
    return median(times) * 1e6


def _timed(call: Callable[[], object], count: int) -> float:
    times = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return median(times) * 1e6
