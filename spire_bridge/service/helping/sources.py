"""What all outputs of a process are made from: one connection to the agent, each stream once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property

from spire_bridge.credentials.azure.application import DEFAULT_AUDIENCE
from spire_bridge.credentials.azure.federated_token import rewrite_at
from spire_bridge.helper.tokens import TokenSupplies, TokenSupply
from spire_bridge.service.settings.helper import AgentSettings
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.identity import Identity
from spire_bridge.workload.latest import Latest
from spire_bridge.workload.messages import BundleSet, X509Context


@dataclass(frozen=True)
class AgentSources:
    """The agent's answers; a stream is opened when the first output asks for it."""

    client: WorkloadClient
    clock: Callable[[], float] = time.time

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, agent: AgentSettings, clock: Callable[[], float] = time.time
    ) -> AsyncIterator[AgentSources]:
        """Connects when it is asked for something. Raises `InvalidAddress`."""
        client = WorkloadClient(agent.address, timeout=agent.timeout_seconds, clock=clock)
        async with client:
            sources = cls(client, clock)
            try:
                yield sources
            finally:
                for name in ("x509", "jwt_bundles"):
                    if name in vars(sources):
                        await getattr(sources, name).stop()

    @cached_property
    def x509(self) -> Latest[X509Context]:
        return Latest(self.client.watch_x509_context, start_timeout=self.client.timeout)

    @cached_property
    def jwt_bundles(self) -> Latest[BundleSet[JwtBundle]]:
        return Latest(self.client.watch_jwt_bundles, start_timeout=self.client.timeout)

    @cached_property
    def tokens(self) -> TokenSupplies:
        def supply(audience: Iterable[str], identity: Identity) -> TokenSupply:
            no_later = rewrite_at if DEFAULT_AUDIENCE in audience else None
            return TokenSupply(
                self.client, sorted(audience), identity, clock=self.clock, no_later=no_later
            )

        return TokenSupplies(supply)
