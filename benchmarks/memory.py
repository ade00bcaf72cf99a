"""What a serving issuer keeps resident, and what each further issuer adds."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.child import Child
from benchmarks.issuers import PROVIDER, bridge, provider
from benchmarks.table import Row, Target
from benchmarks.watcher import memory_mb

ROUNDS = 3
MORE = 20

_SETTLE_SECONDS = 2.0


def run() -> Iterator[Row]:
    one: list[float] = []
    each_more: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory(prefix="sb-") as name, Child("sandbox_agent") as sandbox:
        (agent,) = sandbox.ask("addresses", count=1)
        folder = Path(name)
        for _ in range(ROUNDS):
            one.append(_resident(agent, folder, issuers=1))
            many = _resident(agent, folder, issuers=1 + MORE)
            each_more.append((many - one[-1]) / MORE)
            if shutil.which(PROVIDER) is not None:
                with provider(agent, folder) as served:
                    theirs.append(_settled(served.pid))
    what = "serving one issuer: resident"
    if theirs:
        target = Target(60, "MB")
        yield Row.compared(what, one, theirs, unit="MB", beside=PROVIDER, target=target)
    else:
        yield Row.alone(what, one, unit="MB", target=Target(60, "MB"))
    yield Row.alone("each further issuer", each_more, unit="MB", target=Target(1, "MB"))


def _resident(agent: str, folder: Path, *, issuers: int) -> float:
    with bridge(agent, folder, issuers=issuers) as served:
        return _settled(served.pid)


def _settled(pid: int) -> float:
    time.sleep(_SETTLE_SECONDS)
    return memory_mb("VmRSS", pid)
