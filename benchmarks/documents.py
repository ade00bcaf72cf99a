"""The documents under 64 connections, beside SPIRE's OIDC discovery provider."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.certificate import certificate
from benchmarks.child import Child
from benchmarks.issuers import DISCOVERY_PATH, JWKS_PATH, PROVIDER, bridge, provider
from benchmarks.table import Row, Target

ROUNDS = 7
ROUND_SECONDS = 3
CONNECTIONS = 64

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Case:
    """One document, with TLS or without, and what is asked of the ratios."""

    what: str
    path: str
    tls: bool
    throughput: Target
    p99: Target | None = None


_CASES = (
    Case("JWKS", JWKS_PATH, False, Target(1.3, at_least=True), Target(0.5)),
    Case("JWKS, TLS", JWKS_PATH, True, Target(1.0, at_least=True), Target(0.5)),
    Case("discovery document", DISCOVERY_PATH, False, Target(0.8, at_least=True)),
)


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of wrk saw."""

    requests_per_second: float
    p99_milliseconds: float


def run() -> Iterator[Row]:
    for program in ("wrk", PROVIDER):
        if shutil.which(program) is None:
            yield Row.absent(f"documents, {CONNECTIONS} connections", f"{program} is not on PATH")
            return
    with tempfile.TemporaryDirectory(prefix="sb-") as name, Child("sandbox_agent") as sandbox:
        (agent,) = sandbox.ask("addresses", count=1)
        for case in _CASES:
            yield from _rows(case, *_measure(case, agent, Path(name)))


def _rows(case: Case, ours: list[Load], theirs: list[Load]) -> Iterator[Row]:
    what = f"{case.what}, {CONNECTIONS} connections"
    yield Row.compared(
        f"{what}: throughput",
        [load.requests_per_second for load in ours],
        [load.requests_per_second for load in theirs],
        unit="/s",
        beside=PROVIDER,
        target=case.throughput,
    )
    yield Row.compared(
        f"{what}: p99",
        [load.p99_milliseconds for load in ours],
        [load.p99_milliseconds for load in theirs],
        unit="ms",
        beside=PROVIDER,
        target=case.p99,
    )


def _measure(case: Case, agent: str, folder: Path) -> tuple[list[Load], list[Load]]:
    pair = certificate(folder) if case.tls else None
    with bridge(agent, folder, tls=pair) as ours, provider(agent, folder, tls=pair) as theirs:
        if ours.key_ids() != theirs.key_ids():
            raise RuntimeError("the two issuers do not serve the same keys")
        rounds = [
            (_load(ours.url(case.path)), _load(theirs.url(case.path))) for _ in range(ROUNDS + 1)
        ]
    _, *measured = rounds  # the first round warms up
    return [our_load for our_load, _ in measured], [their_load for _, their_load in measured]


def _load(url: str) -> Load:
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{ROUND_SECONDS}s", "--latency", url]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", answer)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", answer)
    if not rate or not p99 or "Non-2xx" in answer or "Socket errors" in answer:
        raise RuntimeError(f"wrk has seen errors:\n{answer}")
    return Load(float(rate[1]), float(p99[1]) * _SECONDS[p99[2]] * 1000)
