"""What can be wrong with a credential before anyone is asked for it."""

from __future__ import annotations

from spire_bridge.errors import EXIT_USAGE, BridgeError


class RenderFailure(BridgeError):
    """What the agent sent does not hold what an output is to be made of."""

    code = "RENDER_FAILED"


class InvalidOutput(BridgeError):
    """The options of an output contradict each other, or ask for what its form can't hold."""

    code = "OUTPUT_INVALID"
    exit_status = EXIT_USAGE
