"""Where editions come from: the agent's streams, and its tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from spire_bridge.helper.edition import Edition
from spire_bridge.helper.tokens import TokenSupply
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.rpc_errors import Unavailable
from spire_bridge.workload.identity import Identity
from spire_bridge.workload.latest import Keeping, Latest
from spire_bridge.workload.messages import BundleSet, X509Context

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class X509Material:
    """An X.509-SVID, and the bundles to verify its peers with."""

    svid: X509Svid
    context: X509Context

    @property
    def expires_at(self) -> float:
        """When the SVID ends, in seconds since the epoch."""
        return self.svid.expires_at.timestamp()


K = TypeVar("K", bound=Keeping)


async def newest(latest: Latest[K]) -> K:
    """What the agent pushed last, its stream opened if need be. Raises `BridgeError`."""
    latest.start()
    await latest.heard()
    return latest.value


class X509Supply:
    """The X.509-SVID of one identity, and its bundles, as the agent pushes them."""

    def __init__(
        self, latest: Latest[X509Context], identity: Identity, *, clock: Clock = time.time
    ) -> None:
        self._latest = latest
        self._identity = identity
        self._clock = clock

    async def obtain(self) -> X509Material:
        """Raises what the agent answered, and `Unavailable` for one that has expired."""
        context = await newest(self._latest)
        svid = self._identity.among(context.svids)
        if svid.expires_at.timestamp() <= self._clock():
            raise Unavailable("the X.509-SVID has expired and the agent has sent no other")
        return X509Material(svid, context)

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Has `listener` called at every message; returns what ends that."""
        return self._latest.on_change(listener)


class X509Content:
    """An X.509-SVID and its bundles; `render` makes the files' bytes, the same of the same."""

    def __init__(
        self,
        supply: X509Supply,
        render: Callable[[X509Material], tuple[bytes, ...]],
    ) -> None:
        self._supply = supply
        self._render = render

    async def obtain(self) -> Edition:
        material = await self._supply.obtain()
        return Edition(self._render(material), material.expires_at)

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._supply.on_change(listener)


class JwtBundlesContent:
    """The JWT bundles as the agent pushes them."""

    def __init__(
        self,
        latest: Latest[BundleSet[JwtBundle]],
        render: Callable[[BundleSet[JwtBundle]], tuple[bytes, ...]],
    ) -> None:
        self._latest = latest
        self._render = render

    async def obtain(self) -> Edition:
        return Edition(self._render(await newest(self._latest)))

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._latest.on_change(listener)


class JwtContent:
    """A JWT-SVID."""

    def __init__(
        self,
        tokens: TokenSupply,
        render: Callable[[UnverifiedJwtSvid], tuple[bytes, ...]],
    ) -> None:
        self._tokens = tokens
        self._render = render

    async def obtain(self) -> Edition:
        token = await self._tokens.obtain()
        return Edition(self._render(token.svid), token.svid.expires_at, token.renew_at)

    def on_change(self, _: Callable[[], None]) -> Callable[[], None]:
        """A token changes by time alone."""
        return nothing


def nothing() -> None:
    """Ends a subscription of which nothing would have come."""
