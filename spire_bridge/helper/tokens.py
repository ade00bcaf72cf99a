"""JWT-SVIDs for outputs: one fetch for all that need the same token."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from spire_bridge.helper.lifetime import Jitter, half_life
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.workload.calls import audience_names
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.identity import Identity


@dataclass(frozen=True, slots=True)
class Token:
    """A JWT-SVID, and when the next one is to be had, in seconds since the epoch."""

    svid: UnverifiedJwtSvid
    renew_at: float


class TokenSupply:
    """The token of one audience and one identity.

    `no_later` says, of the time and of when a token ends, by when its reader needs the next.
    """

    def __init__(
        self,
        client: WorkloadClient,
        audience: Iterable[str],
        identity: Identity,
        *,
        clock: Callable[[], float] = time.time,
        jitter: Jitter = random.random,
        no_later: Callable[[float, int], float] | None = None,
    ) -> None:
        self._client = client
        self._audience = audience_names(audience)
        self._identity = identity
        self._clock = clock
        self._jitter = jitter
        self._no_later = no_later
        self._token: Token | None = None
        self._one_at_a_time = asyncio.Lock()

    async def obtain(self) -> Token:
        """The present token, or the next one if it is time to renew.

        Raises what `WorkloadClient.fetch_jwt_svids` raises, `HintNotFound` and
        `IdentityNotIssued`.
        """
        async with self._one_at_a_time:
            if self._token is None or self._token.renew_at <= self._clock():
                self._token = await self._fetch()
            return self._token

    async def _fetch(self) -> Token:
        svids = await self._client.fetch_jwt_svids(
            self._audience, spiffe_id=self._identity.spiffe_id
        )
        svid = self._identity.among(svids)
        now = self._clock()
        renew_at = half_life(now, svid.expires_at, self._jitter)
        if self._no_later is not None:
            renew_at = min(renew_at, self._no_later(now, svid.expires_at))
        return Token(svid, renew_at)


class TokenSupplies:
    """The supplies of one process, each made once."""

    def __init__(self, make: Callable[[frozenset[str], Identity], TokenSupply]) -> None:
        self._make = make
        self._made: dict[tuple[frozenset[str], Identity], TokenSupply] = {}

    def of(self, audience: Iterable[str], identity: Identity) -> TokenSupply:
        key = frozenset(audience), identity
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]
