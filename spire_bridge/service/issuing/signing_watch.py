"""Which key an agent's tokens are signed with, seen in tokens of our own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from spire_bridge.errors import BridgeError
from spire_bridge.workload.client import WorkloadClient

# Nobody has to accept it: the token is looked at and thrown away.
AUDIENCE = "spire-bridge"
# An agent answers from its cache until half of the token's life is over.
INTERVAL_SECONDS = 30.0

_log = logging.getLogger(__name__)


async def watch_signing(
    address: str, timeout_seconds: float, on_key_id: Callable[[str], None]
) -> None:
    """Tells the key of each token that is fetched from the agent at `address`, for ever.

    An agent that gives no token is asked again: whether the issuer is any good does not
    depend on it.
    """
    async with WorkloadClient(address, timeout=timeout_seconds) as client:
        while True:
            try:
                svids = await client.fetch_jwt_svids([AUDIENCE])
            except BridgeError as error:
                _log.debug("no token to look at", extra={"address": address, "code": error.code})
            else:
                for svid in svids:
                    if svid.key_id is not None:
                        on_key_id(svid.key_id)
            await asyncio.sleep(INTERVAL_SECONDS)
