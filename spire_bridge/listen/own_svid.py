"""The workload's own X.509-SVID as a listener's certificate."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.tls import server_context

# After its expiry an SVID is looked at again, not all the time.
_MOMENT_SECONDS = 1.0

_log = logging.getLogger(__name__)


class OwnSvid:
    """The workload's own X.509-SVID as a listener's certificate.

    `svid` and `changed` are those of an `X509Source`. A handshake shows the SVID of that
    moment; while there is none, handshakes fail and the listener goes on.
    """

    def __init__(
        self,
        svid: Callable[[], X509Svid],
        changed: Callable[[], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._svid, self._changed, self._clock = svid, changed, clock
        self.context = server_context(svid)

    def expiries(self) -> Mapping[str, int]:
        """Of the SVID of the moment, by a name that stays when there is none."""
        try:
            return {"svid": int(self._svid().expires_at.timestamp())}
        except BridgeError:
            return {"svid": 0}

    async def follow(self) -> None:
        """Logs each SVID, and that there is none, for ever; the context needs no help."""
        shown: X509Svid | str | None = None
        while True:
            ends_in_seconds = None
            try:
                svid = self._svid()
            except BridgeError as error:
                if error.message != shown:
                    _log.error("no SVID to serve with", extra={"reason": error.message})
                shown = error.message
            else:
                if svid != shown:
                    _log.info(
                        "SVID was taken up",
                        extra={
                            "spiffe_id": str(svid.spiffe_id),
                            "expires_at": svid.expires_at.isoformat(),
                        },
                    )
                shown = svid
                ends_in_seconds = max(svid.expires_at.timestamp() - self._clock(), _MOMENT_SECONDS)
            with suppress(TimeoutError):  # an SVID that expires is no change of the source
                async with asyncio.timeout(ends_in_seconds):
                    await self._changed()
