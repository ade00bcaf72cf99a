"""What an output is to hold, and until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Edition:
    """The bytes of an output's files, in their order.

    `expires_at` is when they are of no more use, `renew_at` when the next edition is to be
    had, both in seconds since the epoch; None for what lasts until it is replaced, and for
    what is not renewed by time.
    """

    contents: tuple[bytes, ...] = field(repr=False)
    expires_at: float | None = None
    renew_at: float | None = None


class Content(Protocol):
    """Where an output's editions come from."""

    async def obtain(self) -> Edition:
        """The newest edition. Raises `BridgeError` while there is none to be had."""
        ...

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Has `listener` called when there is another edition before the time to renew.

        Calling what is returned ends that.
        """
        ...
