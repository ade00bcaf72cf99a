"""The workloads that something is granted to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workloads:
    """SPIFFE IDs, or all that lie below a path; `below` ends with a slash then.

    `description` says to people what they are; it is one line.
    """

    ids: tuple[str, ...] = ()
    below: str = ""
    description: str = ""

    def has(self, spiffe_id: str) -> bool:
        return spiffe_id in self.ids or bool(self.below and spiffe_id.startswith(self.below))


def all_ids(several: Iterable[Workloads]) -> list[str]:
    """Every ID, once and in order."""
    return sorted({spiffe_id for workloads in several for spiffe_id in workloads.ids})


def all_below(several: Iterable[Workloads]) -> list[str]:
    """Every path below which all are meant, once and in order."""
    return sorted({workloads.below for workloads in several if workloads.below})
