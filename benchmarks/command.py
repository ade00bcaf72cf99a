"""`fetch jwt` and `credential …` as processes, beside `spire-agent api fetch jwt`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.child import Child
from benchmarks.spire import AUDIENCE, MISSING, RunningSpire, fetch_command, spire
from benchmarks.table import Row, Target

ROUNDS = 31

_WHAT = "`spire-bridge fetch jwt`, a process"
_NOT_SLOWER = Target(1.0)
_SPIRE_BRIDGE = Path(sys.executable).with_name("spire-bridge")

# Of an installed program the byte code is on disk: the first round writes it.
_ENVIRONMENT = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}


# What an uncached credential adds to a token: one call of STS with it, and nothing kept.
_CALL = """
import http.client, os
from urllib.parse import urlencode, urlsplit
where = urlsplit(os.environ["AWS_ENDPOINT_URL_STS"])
form = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleSessionName": "bench",
        "RoleArn": os.environ["AWS_ROLE_ARN"], "WebIdentityToken": os.environ["TOKEN"]}
connection = http.client.HTTPConnection(where.hostname, where.port)
kind = {"Content-Type": "application/x-www-form-urlencoded"}
connection.request("POST", "/", urlencode(form), kind)
response = connection.getresponse()
assert response.status == 200 and response.read()
"""


def run() -> Iterator[Row]:
    with spire() as real:
        yield from _tokens(real)
        yield from _credentials(real)


def _credentials(real: RunningSpire | None) -> Iterator[Row]:
    """The first round of each makes what the others find."""
    aws, kubernetes = "`credential aws`, kept", "`credential kubernetes`, SPIRE's agent"
    with Child("aws_account") as account:
        environment = _ENVIRONMENT | account.ask("environment")
        kept = [str(_SPIRE_BRIDGE), "credential", "aws", "--audience", "demo"]
        if real is None:
            yield from (Row.absent(f"{what}, a process", MISSING) for what in (aws, kubernetes))
        else:
            words = ("credential", "kubernetes", "--audience", AUDIENCE, "--socket", real.address)
            theirs = fetch_command(real.client, real.address)
            for what, ours in ((aws, kept), (kubernetes, [str(_SPIRE_BRIDGE), *words])):
                times = _alternating(ours, theirs, environment)
                beside = "`spire-agent api fetch jwt`"
                yield _compared(f"{what}, a process", *times, beside, _NOT_SLOWER)
        yield _uncached(kept, environment)


def _uncached(kept: Sequence[str], environment: Mapping[str, str]) -> Row:
    """Beside the token and the call, each in a process: the interpreter's start counts twice."""
    fetch = [str(_SPIRE_BRIDGE), "fetch", "jwt", "--audience", "demo"]
    token = subprocess.check_output(fetch, env=environment, text=True, stderr=subprocess.DEVNULL)
    environment = {**environment, "TOKEN": token.split()[0]}
    call = [sys.executable, "-c", _CALL]
    rounds = [
        (
            _milliseconds([*kept, "--no-cache"], environment),
            _milliseconds(fetch, environment) + _milliseconds(call, environment),
        )
        for _ in range(ROUNDS + 1)
    ]
    ours, both = zip(*rounds[1:], strict=True)
    beside = "`fetch jwt`, then `python -c` with the same call"
    return _compared("`credential aws --no-cache`, a process", ours, both, beside)


def _tokens(real: RunningSpire | None) -> Iterator[Row]:
    with Child("sandbox_agent") as sandbox:
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
    what: str,
    ours: Sequence[float],
    other: Sequence[float],
    beside: str,
    target: Target | None = None,
) -> Row:
    return Row.compared(what, ours, other, unit="ms", beside=beside, target=target)


def _alternating(
    ours: Sequence[str], other: Sequence[str], environment: Mapping[str, str] = _ENVIRONMENT
) -> tuple[list[float], list[float]]:
    rounds = [
        (_milliseconds(ours, environment), _milliseconds(other, environment))
        for _ in range(ROUNDS + 1)
    ]
    return [a for a, _ in rounds[1:]], [b for _, b in rounds[1:]]  # the first round warms up


def _milliseconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return (time.perf_counter() - started) * 1000
