"""The JWK set under 64 connections, beside SPIRE's OIDC discovery provider."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import Child
from benchmarks.http_client import http_client
from benchmarks.issuers import JWKS_PATH, PROVIDER, bridge, provider
from benchmarks.table import Row, Target

ROUNDS = 7
ROUND_SECONDS = 3
CONNECTIONS = 64

_WHAT = f"JWKS, {CONNECTIONS} connections"
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of wrk saw."""

    requests_per_second: float
    p99_milliseconds: float


def run() -> Iterator[Row]:
    for program in ("wrk", PROVIDER):
        if shutil.which(program) is None:
            yield Row.absent(_WHAT, f"{program} is not on PATH")
            return
    ours, theirs = _measure()
    yield Row.compared(
        f"{_WHAT}: throughput",
        [load.requests_per_second for load in ours],
        [load.requests_per_second for load in theirs],
        unit="/s",
        beside=PROVIDER,
        target=Target(1.2, at_least=True),
    )
    yield Row.compared(
        f"{_WHAT}: p99",
        [load.p99_milliseconds for load in ours],
        [load.p99_milliseconds for load in theirs],
        unit="ms",
        beside=PROVIDER,
        target=Target(0.5),
    )


def _measure() -> tuple[list[Load], list[Load]]:
    with tempfile.TemporaryDirectory(prefix="sb-") as name, Child("sandbox_agent") as sandbox:
        folder = Path(name)
        (agent,) = sandbox.ask("addresses", count=1)
        with bridge(agent, folder) as our_port, provider(agent, folder) as their_port:
            if _key_ids(our_port) != _key_ids(their_port):
                raise RuntimeError("the two issuers do not serve the same keys")
            ours: list[Load] = []
            theirs: list[Load] = []
            for _ in range(ROUNDS + 1):
                ours.append(_load(our_port))
                theirs.append(_load(their_port))
            return ours[1:], theirs[1:]  # the first round warms up


def _key_ids(port: int) -> set[str]:
    with http_client(port, JWKS_PATH) as client:
        return {key["kid"] for key in json.loads(client.get())["keys"]}


def _load(port: int) -> Load:
    url = f"http://127.0.0.1:{port}{JWKS_PATH}"
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{ROUND_SECONDS}s", "--latency", url]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", answer)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", answer)
    if not rate or not p99 or "Non-2xx" in answer or "Socket errors" in answer:
        raise RuntimeError(f"wrk has seen errors:\n{answer}")
    return Load(float(rate[1]), float(p99[1]) * _SECONDS[p99[2]] * 1000)
