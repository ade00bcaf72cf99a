"""What a running issuer says of itself, asked at its health listener."""

from __future__ import annotations

import http.client
import json
from typing import Any

from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError
from spire_bridge.listen.address import ListenAddress

_MAX_BYTES = 4 * 1024 * 1024


class StatusUnavailable(BridgeError):
    """Nothing answers where the issuer's health listener should be."""

    code = "STATUS_UNAVAILABLE"
    exit_status = EXIT_UNAVAILABLE


def fetch_status(address: ListenAddress, *, timeout_seconds: float) -> dict[str, Any]:
    """The content of /status, ready or not. Raises `StatusUnavailable`."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_seconds)
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
