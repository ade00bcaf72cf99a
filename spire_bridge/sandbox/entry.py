"""Registration entries: which identity a workload gets, and on what terms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.spiffe.id import SpiffeId, TrustDomain


@dataclass(frozen=True, slots=True)
class Entry:
    """One identity of a workload.

    `federates_with` names the federated trust domains whose bundles the workload gets.
    Raises `InvalidSpiffeId` or `SandboxError` for an entry that SPIRE would refuse too.
    """

    spiffe_id: str
    hint: str = ""
    jwt_ttl_seconds: int = 300
    x509_ttl_seconds: int = 3600
    federates_with: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        path = SpiffeId.parse(self.spiffe_id).path
        if not path or path.split("/")[1] == "spire":
            raise SandboxError(f"{self.spiffe_id} cannot be a workload's identity")
        if min(self.jwt_ttl_seconds, self.x509_ttl_seconds) <= 0:
            raise SandboxError(f"the lifetimes of {self.spiffe_id} must be positive")
        _ = self.federated  # raises if a name is none

    @property
    def trust_domain(self) -> TrustDomain:
        return SpiffeId.parse(self.spiffe_id).trust_domain

    @property
    def federated(self) -> frozenset[str]:
        """The names in `federates_with`, which may be SPIFFE IDs as well."""
        return frozenset(TrustDomain.parse(name).name for name in self.federates_with)


def with_unique_hints(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries without those whose hint an earlier one has already."""
    kept: dict[str, Entry] = {}
    for number, entry in enumerate(entries):
        kept.setdefault(entry.hint or f"\0{number}", entry)
    return tuple(kept.values())
