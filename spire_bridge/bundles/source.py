"""What every source of bundles offers, and how it reports on itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from spire_bridge.errors import BridgeError

if TYPE_CHECKING:  # a client that fetches a token loads no X.509
    from spire_bridge.spiffe.bundle import Bundle


@dataclass(frozen=True, slots=True)
class SourceState:
    """How a source is at the moment.

    `since` is when `connected` last changed, in seconds since the epoch. `last_error`
    is what went wrong since the last good message: a lost connection, or an answer that
    was refused while the connection stands.
    """

    connected: bool
    since: float
    last_error: BridgeError | None = None


StateListener = Callable[[SourceState], None]


class Source(Protocol):
    """A place that one trust domain's bundle comes from."""

    @property
    def name(self) -> str:
        """What the operator calls it: the key of its state in logs and metrics."""
        ...

    @property
    def authoritative(self) -> bool:
        """Whether it is where the keys are made, so that what it says overrides the others."""
        ...

    def watch(self, on_state: StateListener) -> AsyncGenerator[Bundle, None]:
        """Yields the whole bundle at first and at every change, for ever.

        `on_state` hears of each change of state, before the bundle that caused it is
        yielded. Ends by raising a `BridgeError` where trying again is of no use.
        """
        ...
