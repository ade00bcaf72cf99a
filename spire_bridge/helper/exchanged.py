"""Editions of what somebody gives for an SVID; a call is made in a thread of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from spire_bridge.helper.contents import X509Supply, nothing
from spire_bridge.helper.edition import Edition
from spire_bridge.helper.lifetime import half_life
from spire_bridge.helper.tokens import TokenSupply
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.spiffe.x509_svid import X509Svid

Clock = Callable[[], float]


class Ending(Protocol):
    """What an exchange answers with."""

    @property
    def expires_at(self) -> float | None:
        """In seconds since the epoch; None for what has no end."""
        ...


E = TypeVar("E", bound=Ending)


class ExchangedContent(Generic[E]):
    """What is given for a JWT-SVID, renewed at half of its own life."""

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
        return _edition(answer, self._render, self._clock())

    def on_change(self, _: Callable[[], None]) -> Callable[[], None]:
        """An answer changes by time alone."""
        return nothing


class X509ExchangedContent(Generic[E]):
    """What is given for an X.509-SVID; a renewed certificate changes nothing of it."""

    def __init__(
        self,
        supply: X509Supply,
        exchange: Callable[[X509Svid], E],
        render: Callable[[E], tuple[bytes, ...]],
        *,
        clock: Clock = time.time,
    ) -> None:
        self._supply = supply
        self._exchange = exchange
        self._render = render
        self._clock = clock

    async def obtain(self) -> Edition:
        material = await self._supply.obtain()
        answer = await asyncio.to_thread(self._exchange, material.svid)
        return _edition(answer, self._render, self._clock())

    def on_change(self, _: Callable[[], None]) -> Callable[[], None]:
        return nothing


def _edition(answer: E, render: Callable[[E], tuple[bytes, ...]], now: float) -> Edition:
    end = answer.expires_at
    return Edition(render(answer), end, half_life(now, end) if end is not None else None)
