"""What a running issuer says of itself, asked at its health listener."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError
from spire_bridge.listen.address import ListenAddress, UnixAddress

_MAX_BYTES = 4 * 1024 * 1024


class StatusUnavailable(BridgeError):
    """Nothing answers where the issuer's health listener should be."""

    code = "STATUS_UNAVAILABLE"
    exit_status = EXIT_UNAVAILABLE


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def parse_health_address(text: str) -> ListenAddress | UnixAddress:
    """Reads `127.0.0.1:8081`, `unix:/path` or `unix:///path`. Raises `InvalidListenAddress`."""
    if text.startswith("unix:"):
        return UnixAddress(Path("/" + text.removeprefix("unix:").lstrip("/")))
    return ListenAddress.parse(text)


def fetch_status(address: ListenAddress | UnixAddress, *, timeout_seconds: float) -> dict[str, Any]:
    """The content of /status, ready or not. Raises `StatusUnavailable`."""
    connection = (
        _UnixConnection(address.path, timeout_seconds)
        if isinstance(address, UnixAddress)
        else http.client.HTTPConnection(address.host, address.port, timeout=timeout_seconds)
    )
    try:
        connection.request("GET", "/status")
        status = json.loads(connection.getresponse().read(_MAX_BYTES))
    except (OSError, http.client.HTTPException) as error:
        raise StatusUnavailable(
            f"no issuer answers at {address}: {error}",
            hint="is `spire-bridge serve` running, and is this its `health` address?",
        ) from None
    except ValueError:
        status = None
    finally:
        connection.close()
    if not isinstance(status, dict) or not isinstance(status.get("issuers"), list):
        raise StatusUnavailable(f"what answers at {address} is no issuer of this program")
    return status
