"""An issuer over sandbox agents: its settings, itself, and what it serves, seen from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from loopback_http import ask

from spire_bridge.bundles.store import BundleStore
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.issuing.service import Addresses, IssuerService
from spire_bridge.service.settings.serve import OneIssuerSettings, ServeSettings

LOOPBACK = {"address": "127.0.0.1:0"}
TIMEOUT_SECONDS = 0.5
PATIENCE_SECONDS = 10.0


@dataclass
class Clock:
    """The machine's clock, set forward on demand."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass(frozen=True)
class IssuerAtWork:
    issuer: IssuerService
    addresses: Addresses

    @property
    def store(self) -> BundleStore:
        """Of the only issuer."""
        (issuer,) = self.issuer.issuers.values()
        return issuer.following.store

    async def key_ids(self) -> set[str] | int:
        """The keys of the served set, or the status where none is served."""
        answer = await ask(self.addresses.issuer, "/keys")
        return {k["kid"] for k in answer.json()["keys"]} if answer.status == 200 else answer.status

    async def serves(self, expected: set[str] | int) -> None:
        """Returns once this is what `key_ids` says."""
        await until(self.key_ids, expected)

    async def readyz(self) -> tuple[int, Any]:
        """The status of /readyz, and what it says of the only issuer."""
        answer = await ask(self.addresses.health, "/readyz")
        verdict = answer.json()
        (issuer,) = verdict["issuers"]
        assert verdict["ready"] is issuer["ready"] is (answer.status == 200)
        return answer.status, issuer

    async def source(self, name: str) -> Any:
        """What /readyz says of one source."""
        _, verdict = await self.readyz()
        return next(source for source in verdict["sources"] if source["name"] == name)

    async def error_of(self, name: str) -> str | None:
        """The code of what is wrong with a source."""
        error = (await self.source(name))["last_error"]
        return error["code"] if error else None

    async def reports(self, name: str, code: str | None) -> None:
        """Returns once the source is in this error."""
        await until(lambda: self.error_of(name), code)


async def until(ask_again: Callable[[], Awaitable[object]], expected: object) -> None:
    """Returns once the answer is the expected one; fails with the last one that came."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = await ask_again()
        if answer == expected:
            return
        assert time.monotonic() < deadline, f"{answer!r} is not {expected!r}"
        await asyncio.sleep(0.01)


def source(workload: Workload, **changes: Any) -> dict[str, Any]:
    """The settings of a workload's agent as a source, called like its cluster."""
    api = {"address": workload.address, "timeout_seconds": TIMEOUT_SECONDS}
    return {"name": workload.socket_path.parent.name, "workload_api": api | changes}


def settings_for(*workloads: Workload, **changes: Any) -> ServeSettings:
    """An issuer's settings with a source for each workload's agent, on free ports."""
    content = {
        "trust_domain": "example.org",
        "issuer": {"url": "https://issuer.example.org"},
        "listen": LOOPBACK,
        "health": LOOPBACK,
        "sources": [source(workload) for workload in workloads],
    }
    return msgspec.convert(content | changes, ServeSettings)


def one_issuer(*workloads: Workload, **changes: Any) -> OneIssuerSettings:
    """The settings of the only issuer."""
    (single,) = settings_for(*workloads, **changes).all_issuers()
    return single


@asynccontextmanager
async def issuing(
    settings: ServeSettings, clock: Clock | None = None
) -> AsyncIterator[IssuerAtWork]:
    issuer = IssuerService(settings, clock=clock or time.time)
    async with issuer.running() as addresses:
        yield IssuerAtWork(issuer, addresses)
