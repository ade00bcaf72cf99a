"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays in seconds that double up to `maximum`, each shortened at random by up to half.

    The jitter keeps many clients from returning together after an agent's restart.
    """

    initial: float = 0.25
    maximum: float = 30.0
    jitter: Callable[[], float] = field(default=random.random, repr=False)
    _attempts: int = field(default=0, init=False)

    def next_delay(self) -> float:
        ceiling = min(self.maximum, self.initial * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return ceiling * (0.5 + 0.5 * self.jitter())

    def reset(self) -> None:
        self._attempts = 0
