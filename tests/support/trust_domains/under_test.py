"""What a contract test may ask of a trust domain, whoever implements it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, TypeVar

T = TypeVar("T")

# Far more than either takes: a change is there within a second.
PATIENCE_SECONDS = 20.0


class AgentUnderTest(Protocol):
    """One cluster's agent and the Workload API that it serves.

    The test process is its only workload and holds every identity registered here.
    """

    @property
    def address(self) -> str:
        """The Workload API's address, `unix:///…`; the same after a restart."""
        ...

    async def register(
        self,
        path: str,
        *,
        hint: str = "",
        jwt_ttl: int = 300,
        x509_ttl: int = 3600,
        until_served: bool = True,
    ) -> str:
        """Registers the workload under `path`; returns its SPIFFE ID once the agent serves it."""
        ...

    async def deregister(self, spiffe_id: str) -> None:
        """Deletes the entry; returns once the agent no longer serves it."""
        ...

    async def stop(self) -> None: ...

    async def kill(self) -> None:
        """Ends it without a warning, where it is a process."""
        ...

    async def start(self) -> None:
        """Starts a stopped agent again; returns once its Workload API answers."""
        ...


class TrustDomainUnderTest(Protocol):
    """A trust domain with any number of clusters, each of which has an agent."""

    @property
    def name(self) -> str: ...

    @property
    def issuer(self) -> str:
        """What its JWT-SVIDs carry as `iss`."""
        ...

    @property
    def kind(self) -> Literal["sandbox", "spire"]:
        """For allowances in timing alone: behaviour must not depend on it."""
        ...

    @property
    def server_address(self) -> str:
        """The Server API's own socket, `unix:///…`."""
        ...

    @property
    def server_tls_address(self) -> str:
        """Where the server speaks TLS to everybody, `tls://127.0.0.1:port`."""
        ...

    async def bootstrap_bundle(self) -> bytes:
        """The X.509 authorities of now, PEM, as an operator would carry them elsewhere."""
        ...

    async def stop_server(self) -> None: ...

    async def start_server(self) -> None:
        """Starts a stopped server again, with the keys it had; returns once it answers."""
        ...

    async def agent(self, name: str) -> AgentUnderTest:
        """The agent of cluster `name`, started at the first call."""
        ...

    async def prepare_jwt(self) -> str:
        """Publishes a new JWT key that signs nothing yet; returns its ID."""
        ...

    async def activate_jwt(self, authority_id: str | None = None) -> str:
        """Signs with the prepared key from now on; returns the ID of the key before it."""
        ...

    async def taint_jwt(self, authority_id: str) -> None:
        """Declares a former key compromised: what it signed is to be replaced."""
        ...

    async def revoke_jwt(self, authority_id: str) -> None:
        """Takes a tainted key out of the bundle."""
        ...

    async def prepare_x509(self) -> str:
        """Publishes a new X.509 authority; the life of one is that of a JWT key."""
        ...

    async def activate_x509(self, authority_id: str | None = None) -> str: ...

    async def taint_x509(self, authority_id: str) -> None: ...

    async def revoke_x509(self, authority_id: str) -> None: ...


async def eventually(
    check: Callable[[], Awaitable[T | None]], *, within_seconds: float = PATIENCE_SECONDS
) -> T:
    """The first answer of `check` that is not None; an AssertionError if none comes in time."""
    deadline = time.monotonic() + within_seconds
    while (answer := await check()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"no answer within {within_seconds:g} s from {check.__qualname__}")
        await asyncio.sleep(0.05)
    return answer
