"""An output: what it holds, where that goes, what follows a change, and how it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from spire_bridge.errors import BridgeError
from spire_bridge.helper.edition import Content
from spire_bridge.helper.places import Place
from spire_bridge.transport.rpc_errors import PermissionDenied


class FollowUp(Protocol):
    """What is done after a change: a program run, a process signalled."""

    async def __call__(self) -> None:
        """Raises `BridgeError` if it fails, which is told and fails no output."""
        ...


@dataclass(frozen=True, slots=True)
class Output:
    """What is kept fresh under one name."""

    name: str
    content: Content
    place: Place
    after: tuple[FollowUp, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputState:
    """How an output is; times are in seconds since the epoch.

    `error` is what the last attempt failed with, None if it succeeded. What was written
    before stays where it is, and is good until `expires_at`.
    """

    written_at: float | None = None
    confirmed_at: float | None = None
    expires_at: float | None = None
    error: BridgeError | None = None
    writes: int = 0
    failures: int = 0

    def condition(self, now: float) -> str:
        """In a word: `absent`, `withdrawn`, `expired`, `failing` (what is there is good), `fresh`.

        Readers can use what is there in the last two.
        """
        if self.written_at is None:
            return "absent"
        if isinstance(self.error, PermissionDenied):
            return "withdrawn"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "fresh" if self.error is None else "failing"

    def is_ready(self, now: float) -> bool:
        """Whether readers find what they can use."""
        return self.condition(now) in {"fresh", "failing"}


StateListener = Callable[[str, OutputState], None]
