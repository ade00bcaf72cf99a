"""What can go wrong with the first run alone."""

from __future__ import annotations

from spire_bridge.errors import BridgeError


class WalkThroughFailed(BridgeError):
    """The walk-through did not see what it should have."""

    code = "WALK_THROUGH_FAILED"
