"""What is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.trust_description import TrustDescription


@dataclass(frozen=True, slots=True)
class Asking:
    """A description, and what it asks of tokens."""

    description: TrustDescription
    expectations: tuple[Expectation, ...]

    @classmethod
    def of(cls, description: TrustDescription) -> Asking:
        return cls(description, description.verifier.expectations(description.trust))

    @property
    def place(self) -> str:
        return self.description.place


def ignore_progress(_done: int, _total: int) -> None:
    """For those who do not watch."""


@dataclass(frozen=True, slots=True)
class Question:
    """Descriptions, subjects with the places that they are from, and their issuer's URL.

    `now` is in seconds since the epoch. `progress` hears how many descriptions are done.
    """

    descriptions: Sequence[TrustDescription]
    subjects: Mapping[str, str] = field(default_factory=dict)
    issuer: str | None = None
    now: float = 0.0
    progress: Callable[[int, int], None] = ignore_progress
