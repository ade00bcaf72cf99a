"""What goes wrong with files."""

from __future__ import annotations

from spire_bridge.errors import BridgeError


class FileFailure(BridgeError):
    """A file could not be read or written; nothing half-written is left behind."""

    code = "FILE_FAILED"
