"""The one loop that keeps a streaming call of the Workload API alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Self, TypeVar

import grpc.aio

from spire_bridge.bundles.source import SourceState, StateListener
from spire_bridge.errors import BridgeError
from spire_bridge.transport.backoff import Backoff
from spire_bridge.transport.rpc import answer
from spire_bridge.transport.rpc_errors import DeadlineExceeded, Peer, RpcError
from spire_bridge.workload.errors import FINAL_ERRORS

T = TypeVar("T")


class Watch(AsyncIterator[T], Generic[T]):
    """An endless iterator over the messages of a stream, each parsed to a value.

    A stream that breaks, ends cleanly or stays silent from the start is opened again
    after a backoff, which every message resets. A message that is refused by the parser
    is left out: the value before it stays the last good one, and `state` says why.
    Iteration ends by raising `Canceled`, `InvalidArgument` or `Unimplemented`, for which
    the standard forbids another try.

    `open_stream` starts the call; `first_message_timeout` is in seconds.
    """

    def __init__(
        self,
        open_stream: Callable[[], grpc.aio.UnaryStreamCall[Any, Any]],
        parse: Callable[[Any], T],
        peer: Peer,
        *,
        first_message_timeout: float,
        on_state: StateListener | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open_stream = open_stream
        self._parse = parse
        self._peer = peer
        self._timeout = first_message_timeout
        self._on_state = on_state
        self._clock = clock
        self._backoff = Backoff()
        self._call: grpc.aio.UnaryStreamCall[Any, Any] | None = None
        self._answered = False  # whether the present call has brought a message
        self._state = SourceState(connected=False, since=clock())

    @property
    def state(self) -> SourceState:
        return self._state

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            try:
                message = await self._next_message()
            except RpcError as error:
                self.close()
                self._report(connected=False, error=error)
                if isinstance(error, FINAL_ERRORS):
                    raise
                await asyncio.sleep(self._backoff.next_delay())
                continue
            except asyncio.CancelledError:
                self.close()  # an interrupted read has ended its stream
                raise
            self._backoff.reset()
            try:
                value = self._parse(message)
            except BridgeError as error:
                self._report(connected=True, error=error)
                continue
            self._report(connected=True, error=None)
            return value

    def close(self) -> None:
        """Ends the present stream; iterating again opens another."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._state.connected:
            self._state = SourceState(connected=False, since=self._clock())

    async def _next_message(self) -> Any:
        if self._call is None:
            self._call = self._open_stream()
            self._answered = False
        try:
            async with asyncio.timeout(None if self._answered else self._timeout):
                message = await answer(self._call.read(), self._peer)
        except TimeoutError:
            raise DeadlineExceeded(
                f"the agent sent nothing within {self._timeout:g} s", hint="look at the agent's log"
            ) from None
        self._answered = True
        return message

    def _report(self, *, connected: bool, error: BridgeError | None) -> None:
        since = self._state.since if connected == self._state.connected else self._clock()
        self._state = SourceState(connected, since, error)
        if self._on_state is not None:
            self._on_state(self._state)
