"""What can go wrong with a sandbox."""

from __future__ import annotations

import grpc

from spire_bridge.errors import BridgeError


class SandboxError(BridgeError):
    """The sandbox was asked for something that it does not do."""

    code = "SANDBOX"


class Refusal(Exception):
    """A call is answered with a gRPC status instead of a message."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
