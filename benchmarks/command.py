"""`spire-bridge fetch jwt` as a process, beside `spire-agent api fetch jwt`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.child import Child
from benchmarks.spire import AUDIENCE, MISSING, fetch_command, spire
from benchmarks.table import Row, Target

ROUNDS = 31

_WHAT = "`spire-bridge fetch jwt`, a process"
_NOT_SLOWER = Target(1.0)
_SPIRE_BRIDGE = Path(sys.executable).with_name("spire-bridge")

# Of an installed program the byte code is on disk: the first round writes it.
_ENVIRONMENT = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}


def run() -> Iterator[Row]:
    with spire() as real, Child("sandbox_agent") as sandbox:
        (address,) = sandbox.ask("addresses", count=1)
        if real is None:
            yield Row.absent(f"{_WHAT}, SPIRE's agent", MISSING)
        else:
            for agent, where in ((real.address, "SPIRE's agent"), (address, "sandbox agent")):
                ours, theirs = _alternating(_ours(agent), fetch_command(real.client, agent))
                target = _NOT_SLOWER if agent == real.address else None
                beside = "`spire-agent api fetch jwt`"
                yield _compared(f"{_WHAT}, {where}", ours, theirs, beside, target)
        imports = [sys.executable, "-c", "import asyncio, grpc.aio"]
        ours, floor = _alternating(_ours(address), imports)
        yield _compared(f"{_WHAT}, sandbox agent", ours, floor, "`import asyncio, grpc.aio`")
        ours, floor = _alternating(_ours(address), [sys.executable, "-c", "pass"])
        yield _compared(f"{_WHAT}, sandbox agent", ours, floor, "`python -c pass`")


def _ours(address: str) -> list[str]:
    return [str(_SPIRE_BRIDGE), "fetch", "jwt", "--audience", AUDIENCE, "--socket", address]


def _compared(
    what: str, ours: list[float], other: list[float], beside: str, target: Target | None = None
) -> Row:
    return Row.compared(what, ours, other, unit="ms", beside=beside, target=target)


def _alternating(ours: Sequence[str], other: Sequence[str]) -> tuple[list[float], list[float]]:
    rounds = [(_milliseconds(ours), _milliseconds(other)) for _ in range(ROUNDS + 1)]
    return [a for a, _ in rounds[1:]], [b for _, b in rounds[1:]]  # the first round warms up


def _milliseconds(command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=_ENVIRONMENT, capture_output=True, check=True)
    return (time.perf_counter() - started) * 1000
