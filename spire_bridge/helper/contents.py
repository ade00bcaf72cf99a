"""Where editions come from: the agent's streams, its tokens, and what is exchanged for one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from spire_bridge.helper.edition import Edition
from spire_bridge.helper.identity import Identity
from spire_bridge.helper.lifetime import half_life
from spire_bridge.helper.tokens import TokenSupply
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.rpc_errors import Unavailable
from spire_bridge.workload.latest import Keeping, Latest
from spire_bridge.workload.messages import BundleSet, X509Context

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class X509Material:
    """An X.509-SVID, and the bundles to verify its peers with."""

    svid: X509Svid
    context: X509Context


K = TypeVar("K", bound=Keeping)


async def _newest(latest: Latest[K]) -> K:
    """What the agent pushed last, its stream opened if need be. Raises `BridgeError`."""
    latest.start()
    await latest.heard()
    return latest.value


class X509Content:
    """An X.509-SVID and its bundles as the agent pushes them.

    `render` makes the files' bytes.
    """

    def __init__(
        self,
        latest: Latest[X509Context],
        identity: Identity,
        render: Callable[[X509Material], tuple[bytes, ...]],
        *,
        clock: Clock = time.time,
    ) -> None:
        self._latest = latest
        self._identity = identity
        self._render = render
        self._clock = clock

    async def obtain(self) -> Edition:
        context = await _newest(self._latest)
        svid = self._identity.among(context.svids)
        expires_at = svid.expires_at.timestamp()
        if expires_at <= self._clock():
            raise Unavailable("the X.509-SVID has expired and the agent has sent no other")
        return Edition(self._render(X509Material(svid, context)), expires_at)

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._latest.on_change(listener)


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
        return Edition(self._render(await _newest(self._latest)))

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
        return _nothing


class Ending(Protocol):
    """What an exchange answers with."""

    @property
    def expires_at(self) -> float:
        """In seconds since the epoch."""
        ...


E = TypeVar("E", bound=Ending)


class ExchangedContent(Generic[E]):
    """What somebody gives for a JWT-SVID: `exchange` asks for it, in a thread of its own."""

    def __init__(
        self,
        tokens: TokenSupply,
        exchange: Callable[[UnverifiedJwtSvid], E],
        render: Callable[[E], tuple[bytes, ...]],
        *,
        clock: Clock = time.time,
    ) -> None:
        self._tokens = tokens
        self._exchange = exchange
        self._render = render
        self._clock = clock

    async def obtain(self) -> Edition:
        token = await self._tokens.obtain()
        answer = await asyncio.to_thread(self._exchange, token.svid)
        renew_at = half_life(self._clock(), answer.expires_at)
        return Edition(self._render(answer), answer.expires_at, renew_at)

    def on_change(self, _: Callable[[], None]) -> Callable[[], None]:
        """An answer changes by time alone."""
        return _nothing


def _nothing() -> None:
    """Ends a subscription of which nothing would have come."""
