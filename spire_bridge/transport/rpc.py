"""Awaiting the answers of gRPC calls, with gRPC's outcomes turned into our errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc.aio

from spire_bridge.transport.rpc_errors import (
    Canceled,
    Peer,
    StreamEnded,
    UnexpectedAnswer,
    error_of,
)

_END_OF_STREAM = grpc.aio.EOF


async def answer(pending: Awaitable[Any], peer: Peer) -> Any:
    """The message of a call or of a stream's next read.

    Raises an `RpcError`: `StreamEnded` at a stream's clean end, `UnexpectedAnswer` for
    bytes that are no such message, which grpc hands out as None, and `Canceled` if
    someone else has ended the call or closed its channel.
    """
    try:
        message = await pending
    except asyncio.CancelledError:
        if is_being_cancelled():
            raise
        raise Canceled("the call was ended on this side") from None
    except grpc.aio.AioRpcError as error:
        raise error_of(error.code().name, error.details() or "", peer) from None
    if message is _END_OF_STREAM:
        raise StreamEnded(f"the {peer.program} ended the stream")
    if message is None:
        raise UnexpectedAnswer(f"the {peer.program} sent bytes that are no {peer.api} message")
    return message


def is_being_cancelled() -> bool:
    """Whether a `CancelledError` is meant for the current task, not for what it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
