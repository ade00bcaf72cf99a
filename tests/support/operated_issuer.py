"""`spire-bridge serve` as an operator runs it: started, stopped, killed and started again."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from child_process import LOOPBACK, free_port
from command_line import PROGRAM, environment
from loopback_http import Answer, ask
from readers.place import Place
from readers.reading import DISCOVERY, KEYS
from trust_domains.under_test import TrustDomainUnderTest, eventually

from spire_bridge.listen.address import ListenAddress

# A busy machine takes its time; the limits that matter are those of the load.
START_SECONDS, STOP_SECONDS = 60.0, 10.0


class OperatedIssuer:
    """An issuer with one configuration, which keeps its addresses and its last good copy.

    It is read at `place`: a TCP port, unless a socket is given there.
    """

    def __init__(
        self,
        folder: Path,
        trust_domain: TrustDomainUnderTest,
        sources: Iterable[dict[str, Any]],
        *,
        socket: Path | None = None,
        tls: dict[str, Any] | None = None,
        ca_file: Path | None = None,
    ) -> None:
        port, self._health = free_port(), ListenAddress(LOOPBACK, free_port())
        listen = {"address": f"{LOOPBACK}:{port}"} if socket is None else {"socket": str(socket)}
        self.place = Place(
            host=LOOPBACK,
            port=port,
            socket=str(socket or ""),
            ca_file=str(ca_file or ""),
            server_name="issuer.test" if ca_file else "",
        )
        self._log = folder / "issuer.log"
        self._config = folder / "issuer.yaml"
        content = {
            "trust_domain": trust_domain.name,
            "issuer": {"url": trust_domain.issuer},
            "sources": list(sources),
            "last_good": {"path": str(folder / "last-good.json")},
            "listen": listen | ({"tls": tls} if tls else {}),
            "health": {"address": str(self._health)},
            "log": {"format": "json"},
        }
        self._config.write_text(json.dumps(content, indent=2))  # JSON is YAML
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns once it listens, whatever it has to serve."""
        before = self.count("serving")
        with self._log.open("ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *PROGRAM,
                "serve",
                "--config",
                str(self._config),
                stderr=log,
                env=environment(),
            )

        async def serving() -> bool | None:
            assert process.returncode is None, self._log.read_text()
            return self.count("serving") > before or None

        await eventually(serving, within_seconds=START_SECONDS)

    async def stop(self) -> None:
        """As a supervisor does; it must end well and in time."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(STOP_SECONDS):
                assert await process.wait() == 0, self._log.read_text()

    async def kill(self) -> None:
        """Ends it without a warning."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()

    async def discovery(self) -> bytes:
        return (await self.place.ask(DISCOVERY)).body

    async def keys(self) -> Answer:
        return await self.place.ask(KEYS)

    async def key_ids(self) -> frozenset[str]:
        """Of the key set that is served; empty where none is."""
        return key_ids(await self.keys())

    async def until_served(self, wanted: Callable[[frozenset[str]], bool]) -> frozenset[str]:
        """The first key set that is as wanted."""

        async def served() -> frozenset[str] | None:
            served = await self.key_ids()
            return served if wanted(served) else None

        return await eventually(served)

    async def source(self, name: str) -> dict[str, Any]:
        """What /readyz says of a source."""
        (issuer,) = (await ask(self._health, "/readyz")).json()["issuers"]
        return next(source for source in issuer["sources"] if source["name"] == name)

    async def until_connected(self, name: str, connected: bool = True) -> None:
        """Returns once the source is connected and all right, or isn't connected any more."""

        async def so() -> bool | None:
            source = await self.source(name)
            troubled = source["last_error"] is not None
            return (source["connected"] is connected and troubled is not connected) or None

        await eventually(so)

    async def trouble(self, name: str) -> str:
        """The code of what is wrong with a source, once something is."""

        async def code() -> str | None:
            error = (await self.source(name))["last_error"]
            return error["code"] if error else None

        return await eventually(code)

    async def until_logged(self, message: str, times: int) -> None:
        async def logged() -> bool | None:
            return self.count(message) >= times or None

        await eventually(logged)

    def count(self, message: str) -> int:
        """How often this was logged."""
        return sum(entry["message"] == message for entry in self.entries())

    def entries(self) -> list[dict[str, Any]]:
        """The log so far, without a line that is being written."""
        if not self._log.exists():
            return []
        whole, _, _ = self._log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]


# Starts an issuer with these sources and listener, and returns once it serves keys.
Operate = Callable[..., Awaitable[OperatedIssuer]]


def key_ids(answer: Answer) -> frozenset[str]:
    if answer.status != 200:
        return frozenset()
    return frozenset(key["kid"] for key in answer.json()["keys"])
