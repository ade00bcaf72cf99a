"""When something that ends is renewed."""

from __future__ import annotations

import random
from collections.abc import Callable

Jitter = Callable[[], float]

# Renewals of many workloads that started together spread over a tenth of the lifetime.
_SPREAD = 0.1
_SHORTEST_SECONDS = 1.0


def half_life(now: float, expires_at: float, jitter: Jitter = random.random) -> float:
    """Half of what is left, less up to a tenth of it; never at once.

    Of what is left, since an agent may hand out a token that is half over. `jitter` gives
    numbers from 0 to 1. All times are in seconds since the epoch.
    """
    left = expires_at - now
    return now + max(_SHORTEST_SECONDS, left * (0.5 - _SPREAD * jitter()))
