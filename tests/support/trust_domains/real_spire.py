"""Real SPIRE as a trust domain under test."""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any, Literal

from trust_domains.plain_client import served_ids
from trust_domains.spire_processes import SpireAgent, SpireServer
from trust_domains.under_test import eventually

_serial = itertools.count(1)


class SpireTrustDomain:
    """A test's own agents on a server that several tests share.

    Entries hang below their agent, so no test sees those of another. The trust domain's
    keys are shared: a test asks for those it knows and counts none.
    """

    kind: Literal["spire"] = "spire"

    def __init__(self, server: SpireServer) -> None:
        self._server = server
        self._agents: dict[str, SpireAgentUnderTest] = {}

    @property
    def name(self) -> str:
        return self._server.trust_domain

    @property
    def issuer(self) -> str:
        return self._server.issuer

    @property
    def server_address(self) -> str:
        return self._server.address

    @property
    def server_tls_address(self) -> str:
        return self._server.tls_address

    async def bootstrap_bundle(self) -> bytes:
        return (await asyncio.to_thread(self._server.print, "bundle", "show")).encode()

    async def stop_server(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def start_server(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def agent(self, name: str) -> SpireAgentUnderTest:
        if name not in self._agents:
            process = await asyncio.to_thread(SpireAgent, self._server, f"{name}-{next(_serial)}")
            self._agents[name] = SpireAgentUnderTest(self._server, process)
            await self._agents[name].start()
        return self._agents[name]

    async def prepare_jwt(self) -> str:
        return await self._prepare("jwt")

    async def activate_jwt(self, authority_id: str | None = None) -> str:
        return await self._activate("jwt", authority_id)

    async def taint_jwt(self, authority_id: str) -> None:
        await self._authority("jwt", "taint", "-authorityID", authority_id)

    async def revoke_jwt(self, authority_id: str) -> None:
        await self._authority("jwt", "revoke", "-authorityID", authority_id)

    async def prepare_x509(self) -> str:
        return await self._prepare("x509")

    async def activate_x509(self, authority_id: str | None = None) -> str:
        return await self._activate("x509", authority_id)

    async def taint_x509(self, authority_id: str) -> None:
        await self._authority("x509", "taint", "-authorityID", authority_id)

    async def revoke_x509(self, authority_id: str) -> None:
        await self._authority("x509", "revoke", "-authorityID", authority_id)

    async def close(self) -> None:
        await asyncio.gather(*(agent.stop() for agent in self._agents.values()))

    async def _prepare(self, kind: str) -> str:
        answer = await self._authority(kind, "prepare")
        prepared: str = answer["prepared_authority"]["authority_id"]
        return prepared

    async def _activate(self, kind: str, authority_id: str | None) -> str:
        state = await self._authority(kind, "show")
        chosen = authority_id or state["prepared"]["authority_id"]
        await self._authority(kind, "activate", "-authorityID", chosen)
        former: str = state["active"]["authority_id"]
        return former

    async def _authority(self, kind: str, *arguments: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._server.call, "localauthority", kind, *arguments)


class SpireAgentUnderTest:
    """An agent whose workload, for the unix attestor, is every process of our user."""

    def __init__(self, server: SpireServer, process: SpireAgent) -> None:
        self._server = server
        self._process = process
        self._entries: dict[str, str] = {}  # SPIFFE ID to entry ID

    @property
    def address(self) -> str:
        return f"unix://{self._process.socket}"

    async def register(
        self,
        path: str,
        *,
        hint: str = "",
        jwt_ttl: int = 300,
        x509_ttl: int = 3600,
        until_served: bool = True,
    ) -> str:
        spiffe_id = f"spiffe://{self._server.trust_domain}{path}"
        options = {
            "-parentID": self._process.spiffe_id,
            "-spiffeID": spiffe_id,
            "-selector": f"unix:uid:{os.getuid()}",
            "-hint": hint,
            "-jwtSVIDTTL": str(jwt_ttl),
            "-x509SVIDTTL": str(x509_ttl),
        }
        answer = await self._entry("create", *itertools.chain.from_iterable(options.items()))
        self._entries[spiffe_id] = answer["results"][0]["entry"]["id"]
        if until_served:
            await self._until_served(spiffe_id, served=True)
        return spiffe_id

    async def deregister(self, spiffe_id: str) -> None:
        await self._entry("delete", "-entryID", self._entries.pop(spiffe_id))
        await self._until_served(spiffe_id, served=False)

    async def stop(self) -> None:
        await asyncio.to_thread(self._process.stop)

    async def kill(self) -> None:
        await asyncio.to_thread(self._process.kill)

    async def start(self) -> None:
        await asyncio.to_thread(self._process.start)

    async def _entry(self, *arguments: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._server.call, "entry", *arguments)

    async def _until_served(self, spiffe_id: str, *, served: bool) -> None:
        async def is_so() -> bool | None:
            return (spiffe_id in await served_ids(self.address)) is served or None

        await eventually(is_so)
