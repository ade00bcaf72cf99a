"""What a Workload API call can end with, besides what any call can."""

from __future__ import annotations

from spire_bridge.transport.rpc_errors import (
    Canceled,
    InvalidArgument,
    Peer,
    PermissionDenied,
    Unimplemented,
)
from spire_bridge.workload.address import EndpointAddress

# A watch ends on these; on everything else it tries again (Workload Endpoint, appendix A).
FINAL_ERRORS = (Canceled, InvalidArgument, Unimplemented)


class HintNotFound(PermissionDenied):
    """None of the workload's identities carries the hint that was asked for."""

    code = "HINT_NOT_FOUND"


class IdentityNotIssued(PermissionDenied):
    """The workload has identities, and not the one that was asked for."""

    code = "IDENTITY_NOT_ISSUED"


def agent_at(address: EndpointAddress) -> Peer:
    """The agent that serves the Workload API at `address`."""
    return Peer(
        program="agent",
        api="Workload API",
        address=str(address),
        socket_path=address.socket_path,
        denied="the agent has issued no such identity to this workload",
        denied_hint="check the registration entries (spire-server entry show);"
        " a new one takes some seconds",
        unimplemented_hint="is this the address of a Workload API?",
        access_hint="run as a user that the agent's socket and its folder admit",
    )
