"""500 watched bundles in one process: memory and processor time, beside bare gRPC streams.

Every source has a connection of its own, as it has in service, where each leads to another
agent. So have the bare streams.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.child import Child
from benchmarks.table import Row, Target

BUNDLES = 500
ROUNDS = 3
SETTLE_SECONDS = 2.0
IDLE_SECONDS = 20.0
CHANGES = 20
CHANGE_INTERVAL_SECONDS = 0.5

_BESIDE = "bare grpc.aio"
_LIMIT = Target(60, "MB")


@dataclass(slots=True)
class Costs:
    """One figure a round: memory in MB, processor time in milliseconds for each second."""

    loaded_mb: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    own_mb: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    @property
    def grown_mb(self) -> list[float]:
        return [
            after - before for before, after in zip(self.loaded_mb, self.resident_mb, strict=True)
        ]


def run() -> Iterator[Row]:
    ours, bare = Costs(), Costs()
    with Child("sandbox_agent") as sandbox:
        addresses = sandbox.ask("addresses", count=1) * BUNDLES
        for _ in range(ROUNDS):
            _round(sandbox, addresses, ours, bare)
    what = f"{BUNDLES} watched bundles"
    yield _compared(f"{what}: memory of the streams", ours.grown_mb, bare.grown_mb, "MB")
    yield _compared(f"{what}: the process's own memory", ours.own_mb, bare.own_mb, "MB")
    resident = f"{what}: resident, libraries included"
    yield _compared(resident, ours.resident_mb, bare.resident_mb, "MB", _LIMIT)
    yield _compared(f"{what}: idle processor time", ours.idle, bare.idle, "ms/s", Target(1.5))
    rate = f"{BUNDLES / CHANGE_INTERVAL_SECONDS:,.0f} messages/s"
    yield _compared(f"{what}: at {rate}", ours.busy, bare.busy, "ms/s")


def _compared(
    what: str, ours: list[float], bare: list[float], unit: str, target: Target | None = None
) -> Row:
    return Row.compared(what, ours, bare, unit=unit, beside=_BESIDE, target=target)


def _round(sandbox: Child, addresses: list[str], ours: Costs, bare: Costs) -> None:
    """Both side by side, so that whatever else the machine does meets both."""
    with Child("watcher", "bridge") as our_child, Child("watcher", "bare") as bare_child:
        pairs = ((our_child, ours), (bare_child, bare))
        for child, costs in pairs:
            costs.loaded_mb.append(child.ask("cost")["resident"])
            child.ask("watch", addresses=addresses)
        time.sleep(SETTLE_SECONDS)
        for child, costs in pairs:
            cost = child.ask("cost")
            costs.resident_mb.append(cost["resident"])
            costs.own_mb.append(cost["own"])
        before = _cpu_seconds(our_child, bare_child)
        time.sleep(IDLE_SECONDS)
        idle = _cpu_seconds(our_child, bare_child)
        started = time.monotonic()
        for _ in range(CHANGES):
            sandbox.ask("send")
            time.sleep(CHANGE_INTERVAL_SECONDS)
        busy_seconds = time.monotonic() - started
        busy = _cpu_seconds(our_child, bare_child)
        for index, (_, costs) in enumerate(pairs):
            costs.idle.append((idle[index] - before[index]) / IDLE_SECONDS * 1000)
            costs.busy.append((busy[index] - idle[index]) / busy_seconds * 1000)


def _cpu_seconds(*children: Child) -> list[float]:
    return [child.ask("cost")["cpu"] for child in children]
