"""What can be wrong with a description of the trust that is configured at a verifier."""

from __future__ import annotations

from spire_bridge.errors import EXIT_USAGE, BridgeError


class InvalidTrust(BridgeError):
    """A trust description can't be read; the message names the file and the place in it."""

    code = "TRUST_INVALID"
    exit_status = EXIT_USAGE
