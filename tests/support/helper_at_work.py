"""`spire-bridge helper` as a process: its configuration, what it says, how it is."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from child_process import free_port
from command_line import PROGRAM, environment
from loopback_http import Answer, ask

from spire_bridge.listen.address import ListenAddress

PATIENCE_SECONDS = 20.0
_END_SECONDS = 5.0


@dataclass
class HelperConfig:
    """A configuration file in `folder`, which is the helper's own; written at each change."""

    folder: Path
    address: str
    outputs: list[dict[str, Any]]
    others: dict[str, Any] = field(default_factory=dict)
    health: int = field(default_factory=free_port)

    @property
    def file(self) -> Path:
        return self.folder / "helper.yaml"

    def write(self) -> Path:
        document = {
            "outputs": self.outputs,
            "workload_api": {"address": self.address, "timeout_seconds": 2},
            "health": {"address": f"127.0.0.1:{self.health}"},
            "log": {"format": "json", "level": "debug"},
            **self.others,
        }
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(document))  # JSON is YAML
        new.replace(self.file)
        return self.file


@dataclass
class Helper:
    """A running helper; `said` is its folder of standard output and standard error."""

    process: asyncio.subprocess.Process
    config: HelperConfig
    said: Path

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it has logged; lines that are not JSON are the programs' that it runs."""
        lines = (self.said / "err").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def logged(self, message: str) -> list[dict[str, Any]]:
        return [entry for entry in self.log if entry["message"] == message]

    async def until_logged(self, message: str, count: int = 1) -> dict[str, Any]:
        """The newest such entry, once there are so many."""
        await self.until(lambda: len(self.logged(message)) >= count, message)
        return self.logged(message)[-1]

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Returns once that holds; fails with the log, at once if the helper has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            ended = self.process.returncode is not None
            if ended and holds():
                return
            assert not ended, f"it ended: {self.log}"
            assert time.monotonic() < deadline, f"{what} did not come: {self.log}"
            await asyncio.sleep(0.02)

    async def ask(self, path: str) -> Answer:
        return await ask(ListenAddress("127.0.0.1", self.config.health), path)

    async def condition(self, name: str) -> str:
        """Of an output; /readyz must agree with what it says of all."""
        answer = await self.ask("/readyz")
        verdict = answer.json()
        assert answer.status == (200 if verdict["ready"] else 503)
        assert verdict["ready"] is all(output["ready"] for output in verdict["outputs"])
        return next((o["condition"] for o in verdict["outputs"] if o["name"] == name), "not kept")

    async def until_condition(self, name: str, expected: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        condition = "not served yet"
        while condition != expected:
            assert time.monotonic() < deadline, f"{name} is {condition}: {self.log}"
            await asyncio.sleep(0.02)
            with suppress(ConnectionRefusedError):
                condition = await self.condition(name)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ends(self, number: signal.Signals | None = None) -> int:
        """Its exit status, after a signal or by itself."""
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()

    async def everything_said(self) -> list[str | bytes | Path]:
        """All that it has told anybody: for the search for secrets."""
        told: list[str | bytes | Path] = [self.said]
        with suppress(ConnectionRefusedError):
            told += [(await self.ask(path)).body for path in ("/status", "/metrics", "/readyz")]
        return told


@asynccontextmanager
async def helping(config: HelperConfig, **changes: str) -> AsyncIterator[Helper]:
    """Runs the helper with this configuration; `changes` are to its environment."""
    said = config.folder / "said"
    said.mkdir(exist_ok=True)
    with (said / "out").open("ab") as out, (said / "err").open("ab") as err:
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            "helper",
            "--config",
            str(config.write()),
            stdout=out,
            stderr=err,
            env=environment(**changes),
        )
    try:
        yield Helper(process, config, said)
    finally:
        if process.returncode is None:
            process.terminate()  # so that it ends its program too
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
