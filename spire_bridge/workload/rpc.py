"""Awaiting the Workload API's answers, with gRPC's outcomes turned into our errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc.aio

from spire_bridge.workload.address import EndpointAddress
from spire_bridge.workload.errors import Canceled, StreamEnded, UnexpectedAnswer, error_of

_END_OF_STREAM = grpc.aio.EOF


async def answer(pending: Awaitable[Any], address: EndpointAddress) -> Any:
    """The message of a call or of a stream's next read.

    Raises a `WorkloadApiError`: `StreamEnded` at a stream's clean end, `UnexpectedAnswer`
    for bytes that are no such message, which grpc hands out as None, and `Canceled` if
    someone else has ended the call or closed its channel.
    """
    try:
        message = await pending
    except asyncio.CancelledError:
        if is_being_cancelled():
            raise
        raise Canceled("the call was ended on this side") from None
    except grpc.aio.AioRpcError as error:
        raise error_of(error, address) from None
    if message is _END_OF_STREAM:
        raise StreamEnded("the agent ended the stream")
    if message is None:
        raise UnexpectedAnswer("the agent sent bytes that are no Workload API message")
    return message


def is_being_cancelled() -> bool:
    """Whether a `CancelledError` is meant for the current task, not for what it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
