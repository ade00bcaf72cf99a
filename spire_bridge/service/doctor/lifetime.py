"""How much of an SVID's life is left, and whether it should have been renewed."""

from __future__ import annotations

from datetime import timedelta

# Shares of a life after which a renewal is overdue. SPIRE's agent renews at half, spread by a
# tenth; a helper at half of what the agent has left of it.
AT_AGENT = 0.6
IN_FILE = 0.8
_SLACK_SECONDS = 10.0


def is_overdue(issued_at: float | None, expires_at: float, now: float, *, share: float) -> bool:
    """Whether who keeps it fresh has failed to. Times are in seconds since the epoch."""
    if issued_at is None:
        return False
    return now > issued_at + share * (expires_at - issued_at) + _SLACK_SECONDS


def ending(expires_at: float, now: float) -> str:
    """`ends in 0:04:59`, `ended 2:03:00 ago`."""
    left = timedelta(seconds=round(expires_at - now))
    return f"ends in {left}" if expires_at > now else f"ended {-left} ago"
