"""`spire-bridge` as a process: what it prints, how it ends, how it takes signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spire_bridge.listen.address import ListenAddress

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "spire_bridge")
PATIENCE_SECONDS = 20.0

_STEERING = frozenset(
    {"SPIFFE_ENDPOINT_SOCKET", "NOTIFY_SOCKET", "PYTHONWARNINGS", "PYTHONUNBUFFERED"}
)


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The code in `error[CODE]: …`, which must be all that was said beside a hint."""
        first, *rest = self.err.splitlines()
        assert first.startswith("error["), self.err
        assert all(line.startswith("  hint: ") for line in rest), self.err
        assert self.out == "", self.out
        return first[len("error[") : first.index("]")]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what would steer the program."""
    kept = {name: value for name, value in os.environ.items() if name not in _STEERING}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


LOADED = """
import sys
from spire_bridge.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


# Each takes milliseconds to load, of the thirty that the whole command may take.
SLOW_TO_LOAD = {
    *("grpc", "google.protobuf", "cryptography", "joserfc", "msgspec"),
    *("asyncio", "concurrent.futures", "ssl", "socket", "logging", "threading"),
    *("dataclasses", "inspect", "typing", "pathlib", "urllib.parse", "ipaddress", "subprocess"),
    *("base64", "contextlib", "datetime", "hashlib", "http.client", "shutil", "textwrap"),
}


def loaded(*arguments: str, given: bytes = b"", **changes: str) -> set[str]:
    """The modules that a command has loaded when it ends; `changes` are to its environment."""
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        capture_output=True,
        input=given,
        env=environment(**changes),
        check=True,
    )
    return set(ended.stderr.decode().splitlines()[-1].split())


async def run(*arguments: str, given: bytes = b"", **changes: str) -> Ended:
    """Runs a command to its end; `changes` are to its environment."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**changes),
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate(given)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@dataclass
class Service:
    """A running `spire-bridge serve`, whose log is read as it comes."""

    process: asyncio.subprocess.Process
    log: list[dict[str, Any]]

    async def logged(self, message: str) -> dict[str, Any]:
        """The next log entry with this message."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := await self.process.stderr.readline():
                entry: dict[str, Any] = json.loads(line)
                self.log.append(entry)
                if entry["message"] == message:
                    return entry
        raise AssertionError(f"{message!r} was not logged: {self.log}")

    async def ends(self, number: signal.Signals) -> tuple[int, float]:
        """The exit status after a signal, and the seconds that the end took."""
        started = time.monotonic()
        self.process.send_signal(number)
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            rest = await self.process.stderr.read()
            status = await self.process.wait()
        self.log += [json.loads(line) for line in rest.splitlines()]
        return status, time.monotonic() - started


@dataclass(frozen=True)
class Serving:
    service: Service
    issuer: ListenAddress
    health: ListenAddress


@asynccontextmanager
async def serving(config: Path, **changes: str) -> AsyncIterator[Serving]:
    """Runs `serve` with this configuration, which has it log JSON; ends it if need be.

    `changes` are to its environment.
    """
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "serve",
        "--config",
        str(config),
        stderr=asyncio.subprocess.PIPE,
        env=environment(**changes),
    )
    try:
        service = Service(process, [])
        entry = await service.logged("serving")
        issuer, health = (ListenAddress.parse(entry[name]) for name in ("address", "health"))
        yield Serving(service, issuer, health)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
