"""The embedded sandbox as a trust domain under test."""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Self

from cryptography.hazmat.primitives.serialization import Encoding

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.jwt_authority import JwtAuthority
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.sandbox.x509_authority import X509Authority


class SandboxUnderTest:
    """A sandbox of the test's own; an async context manager."""

    kind: Literal["sandbox"] = "sandbox"

    def __init__(self, name: str, issuer: str) -> None:
        self.name = name
        self.issuer = issuer
        self._sandbox = SandboxTrustDomain(name, jwt_issuer=issuer)
        self._agents: dict[str, SandboxAgentUnderTest] = {}

    async def __aenter__(self) -> Self:
        await self._sandbox.__aenter__()
        await self._sandbox.start_server_tls()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._sandbox.__aexit__(kind, error, traceback)

    @property
    def server_address(self) -> str:
        return self._sandbox.server_api.address

    @property
    def server_tls_address(self) -> str:
        return self._sandbox.server_api.tls_address

    async def bootstrap_bundle(self) -> bytes:
        return b"".join(ca.root.public_bytes(Encoding.PEM) for ca in self._sandbox.x509.keys)

    async def stop_server(self) -> None:
        await self._sandbox.server_api.stop()

    async def start_server(self) -> None:
        await self._sandbox.start_server_api()

    async def agent(self, name: str) -> SandboxAgentUnderTest:
        if name not in self._agents:
            cluster = await self._sandbox.start_cluster(name)
            workload = await cluster.add_workload("workload")
            self._agents[name] = SandboxAgentUnderTest(self.name, cluster, workload)
        return self._agents[name]

    async def prepare_jwt(self) -> str:
        return self._sandbox.jwt.prepare()

    async def activate_jwt(self, authority_id: str | None = None) -> str:
        return _activate(self._sandbox.jwt, authority_id)

    async def taint_jwt(self, authority_id: str) -> None:
        self._sandbox.jwt.taint(authority_id)

    async def revoke_jwt(self, authority_id: str) -> None:
        self._sandbox.jwt.revoke(authority_id)

    async def prepare_x509(self) -> str:
        return self._sandbox.x509.prepare()

    async def activate_x509(self, authority_id: str | None = None) -> str:
        return _activate(self._sandbox.x509, authority_id)

    async def taint_x509(self, authority_id: str) -> None:
        self._sandbox.x509.taint(authority_id)

    async def revoke_x509(self, authority_id: str) -> None:
        self._sandbox.x509.revoke(authority_id)


def _activate(authority: JwtAuthority | X509Authority, authority_id: str | None) -> str:
    former = authority.current
    assert former is not None
    authority.activate(authority_id)
    return former.key_id


class SandboxAgentUnderTest:
    """A cluster of the sandbox with one workload, which is whoever calls its socket."""

    def __init__(self, trust_domain: str, cluster: Cluster, workload: Workload) -> None:
        self._trust_domain = trust_domain
        self._cluster = cluster
        self._workload = workload

    @property
    def address(self) -> str:
        return self._workload.address

    async def register(
        self,
        path: str,
        *,
        hint: str = "",
        jwt_ttl: int = 300,
        x509_ttl: int = 3600,
        until_served: bool = True,  # the sandbox serves an entry at once
    ) -> str:
        spiffe_id = f"spiffe://{self._trust_domain}{path}"
        self._workload.register(Entry(spiffe_id, hint, jwt_ttl, x509_ttl))
        return spiffe_id

    async def deregister(self, spiffe_id: str) -> None:
        self._workload.deregister(spiffe_id)

    async def stop(self) -> None:
        await self._cluster.stop()

    async def kill(self) -> None:
        await self._cluster.stop()

    async def start(self) -> None:
        await self._cluster.start()
