"""`spire-bridge helper` beside spiffe-helper: from the agent's update to the file, and its cost."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import Child, daemon, until
from benchmarks.table import Row, Target
from benchmarks.watcher import memory_mb

REFERENCE = "spiffe-helper"
RENEWALS = 100
OUTPUTS = 1_000

_AUDIENCE = "benchmark"
_PATIENCE_SECONDS = 30.0
_SETTLE_SECONDS = 2.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Helping:
    """A running helper, and the certificate file that it keeps."""

    pid: int
    file: Path


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one helper: each renewal's delay, processor time for each, and what stays resident."""

    delays_ms: list[float]
    processor_ms: float
    resident_mb: float


def run() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="sb-") as name, Child("sandbox_agent") as sandbox:
        (agent,) = sandbox.ask("addresses", count=1)
        folder = Path(name)
        with bridge(agent, folder / "bridge") as ours:
            mine = _figures(sandbox, ours)
        if shutil.which(REFERENCE) is None:
            yield Row.absent("the helper", f"{REFERENCE} is not on PATH")
        else:
            with reference(agent, folder / "reference") as theirs:
                other = _figures(sandbox, theirs)
            yield from _compared(mine, other)
        yield from _many(agent, folder / "many")


def _compared(ours: Figures, theirs: Figures) -> Iterator[Row]:
    def row(what: str, a: list[float], b: list[float], unit: str) -> Row:
        return Row.compared(f"helper: {what}", a, b, unit=unit, beside=REFERENCE)

    yield row("from the agent's update to the files", ours.delays_ms, theirs.delays_ms, "ms")
    yield row(
        f"processor time of a renewal, of {RENEWALS}",
        [ours.processor_ms],
        [theirs.processor_ms],
        "ms",
    )
    yield row("resident", [ours.resident_mb], [theirs.resident_mb], "MB")


def _figures(sandbox: Child, helping: Helping) -> Figures:
    time.sleep(_SETTLE_SECONDS)
    before = _processor_ms(helping.pid)
    delays = [_delay_ms(sandbox, helping.file) for _ in range(RENEWALS)]
    spent = _processor_ms(helping.pid) - before
    return Figures(delays, spent / RENEWALS, memory_mb("VmRSS", helping.pid))


def _delay_ms(sandbox: Child, file: Path) -> float:
    """From the agent's sending of another SVID to a whole file that holds it."""
    before = file.read_bytes()
    sent = sandbox.ask("reissue")["at"]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (now := file.read_bytes()) == before or not now.endswith(b"-----END CERTIFICATE-----\n"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{file} does not change")
    return (time.monotonic() - sent) * 1000


def _many(agent: str, folder: Path) -> Iterator[Row]:
    """Each output another token, so that nothing is shared but the connection."""
    outputs = [
        {
            "name": f"t{number}",
            "jwt": {"audience": [f"{_AUDIENCE}-{number}"]},
            "path": str(folder / f"t{number}"),
        }
        for number in range(OUTPUTS)
    ]
    started = time.monotonic()
    with _bridge(agent, folder, outputs, last=folder / f"t{OUTPUTS - 1}") as helping:
        until(
            lambda: len(list(folder.glob("t*"))) == OUTPUTS,
            within_seconds=_PATIENCE_SECONDS,
            what="all outputs are written",
        )
        seconds = time.monotonic() - started
        time.sleep(_SETTLE_SECONDS)
        resident = memory_mb("VmRSS", helping.pid)
        before = _processor_ms(helping.pid)
        time.sleep(_SETTLE_SECONDS)
        idle = (_processor_ms(helping.pid) - before) / _SETTLE_SECONDS
    what = f"helper: {OUTPUTS:,} outputs"
    yield Row.alone(f"{what}, all written", [seconds], unit="s", target=Target(10, "s"))
    yield Row.alone(f"{what}, resident", [resident], unit="MB", target=Target(100, "MB"))
    yield Row.alone(f"{what}, idle", [idle], unit="ms/s", target=Target(10, "ms/s"))


@contextmanager
def bridge(agent: str, folder: Path) -> Iterator[Helping]:
    """One X.509-SVID and one token, as `reference` keeps them."""
    files = {
        "certificates": {"path": str(folder / "svid.pem")},
        "key": {"path": str(folder / "svid.key")},
        "bundle": {"path": str(folder / "bundle.pem")},
    }
    outputs: list[dict[str, object]] = [
        {"name": "x509", "x509": {}, "files": files},
        {"name": "jwt", "jwt": {"audience": [_AUDIENCE]}, "path": str(folder / "token")},
    ]
    with _bridge(agent, folder, outputs, last=folder / "svid.pem") as helping:
        yield helping


@contextmanager
def _bridge(
    agent: str, folder: Path, outputs: list[dict[str, object]], *, last: Path
) -> Iterator[Helping]:
    folder.mkdir()
    config = folder / "helper.yaml"
    # JSON is YAML
    config.write_text(json.dumps({"workload_api": {"address": agent}, "outputs": outputs}))
    command = [sys.executable, "-m", "spire_bridge", "helper", "--config", str(config)]
    with _helping(command, folder, last) as helping:
        yield helping


@contextmanager
def reference(agent: str, folder: Path) -> Iterator[Helping]:
    folder.mkdir()
    config = folder / "helper.conf"
    config.write_text(
        f"""
        agent_address = "{agent.removeprefix("unix://")}"
        cert_dir = "{folder}"
        svid_file_name = "svid.pem"
        svid_key_file_name = "svid.key"
        svid_bundle_file_name = "bundle.pem"
        jwt_svids = [{{jwt_audience = "{_AUDIENCE}", jwt_svid_file_name = "token"}}]
        """
    )
    command = [REFERENCE, "-config", str(config)]
    with _helping(command, folder, folder / "svid.pem") as helping:
        yield helping


@contextmanager
def _helping(command: list[str], folder: Path, file: Path) -> Iterator[Helping]:
    with daemon(command, folder / "log") as process:
        until(file.exists, within_seconds=_PATIENCE_SECONDS, what=f"{file.name} is there")
        yield Helping(process.pid, file)


def _processor_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS
