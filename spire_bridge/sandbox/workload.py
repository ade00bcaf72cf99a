"""One workload: its identities, and the endpoint at which its agent serves them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spire_bridge.sandbox.agent import Agent
from spire_bridge.sandbox.bundle import PublishedBundle
from spire_bridge.sandbox.endpoint import Endpoint
from spire_bridge.sandbox.entry import Entry, with_unique_hints
from spire_bridge.sandbox.errors import SandboxError


class Workload(Endpoint):
    """A caller of the Workload API, told from others by its own socket.

    A real agent looks up the process at the other end of the connection; grpc.aio does not
    let a server see that, so each workload identity has an address of its own and whoever
    connects to it is that workload. `stopping` is set by the cluster while its agent is away.
    """

    def __init__(self, name: str, agent: Agent, address: str) -> None:
        super().__init__()
        self.name = name
        self.agent = agent
        self.address = address
        self._entries: list[Entry] = []
        self._jwks: bytes | None = None

    @property
    def socket_path(self) -> Path:
        """The unix socket; a `SandboxError` for a workload at a TCP address."""
        if not self.address.startswith("unix://"):
            raise SandboxError(f"workload {self.name} is not at a unix socket")
        return Path(self.address.removeprefix("unix://"))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries in force: of several with one hint, only the first."""
        return with_unique_hints(self._entries)

    @property
    def bundles(self) -> Mapping[str, PublishedBundle]:
        """Its agent's bundles that it may see, by trust domain, its own first."""
        names = frozenset[str]().union(*(entry.federated for entry in self.entries))
        foreign = {n: b for n, b in self.agent.federated.items() if n in names}
        return {self.agent.bundle.trust_domain: self.agent.bundle, **foreign}

    def register(self, entry: Entry) -> None:
        """Adds an identity; open streams hear of it at once."""
        if entry.trust_domain.name != self.agent.bundle.trust_domain:
            raise SandboxError(f"{entry.spiffe_id} is not in {self.agent.bundle.trust_domain}")
        if entry in self._entries:
            raise SandboxError(f"{entry.spiffe_id} is already registered")
        self._entries.append(entry)
        self.changes.notify()

    def deregister(self, spiffe_id: str) -> None:
        """Removes every entry for `spiffe_id`; without any left, streams are refused."""
        removed = [entry for entry in self._entries if entry.spiffe_id == spiffe_id]
        if not removed:
            raise SandboxError(f"{spiffe_id} is not registered")
        self._entries = [entry for entry in self._entries if entry not in removed]
        self.agent.forget(removed)
        self.changes.notify()

    @property
    def jwks(self) -> bytes | None:
        """Served to it in place of its own trust domain's JWK set, whatever it contains."""
        return self._jwks

    @jwks.setter
    def jwks(self, jwks: bytes | None) -> None:
        self._jwks = jwks
        self.changes.notify()
