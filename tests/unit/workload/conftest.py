"""A clock to drive, a client, and an agent that says exactly what a test tells it to."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from spire_bridge.sandbox.workload import Workload
from spire_bridge.workload.client import WorkloadClient

UNARY = {"FetchJWTSVID", "ValidateJWTSVID"}


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(workload: Workload) -> AsyncIterator[WorkloadClient]:
    async with WorkloadClient(workload.address, timeout=5.0) as client:
        yield client


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """A short path, as the names of sockets have to be; others may look into it."""
    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@dataclass
class Call:
    """A call that has arrived: its method, its metadata and the bytes of its request."""

    method: str
    metadata: dict[str, str | bytes]
    request: bytes


@dataclass
class ScriptedAgent:
    """A gRPC server that answers every call with the bytes that `script` yields."""

    address: str
    calls: list[Call] = field(default_factory=list)
    script: Callable[[Any], AsyncIterator[bytes]] | None = None

    def answer_with(self, *messages: Any, then_wait: bool = False) -> None:
        async def script(_: Any) -> AsyncIterator[bytes]:
            for message in messages:
                yield message if isinstance(message, bytes) else message.SerializeToString()
            if then_wait:
                await asyncio.Event().wait()

        self.script = script

    def refuse_with(self, status: grpc.StatusCode, details: str = "") -> None:
        async def script(context: Any) -> AsyncIterator[bytes]:
            await context.abort(status, details)
            yield b""

        self.script = script

    async def stream(self, call: Call, context: Any) -> AsyncIterator[bytes]:
        self.calls.append(call)
        assert self.script is not None
        async for message in self.script(context):
            yield message

    async def unary(self, call: Call, context: Any) -> bytes:
        async for message in self.stream(call, context):
            return message
        raise AssertionError("the script yields nothing")


class _AnyMethod(grpc.GenericRpcHandler):
    def __init__(self, agent: ScriptedAgent) -> None:
        self._agent = agent

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        method = details.method.rpartition("/")[2]

        def call(request: bytes, context: Any) -> Call:
            return Call(method, dict(context.invocation_metadata()), request)

        async def unary(request: bytes, context: Any) -> bytes:
            return await self._agent.unary(call(request, context), context)

        async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
            async for message in self._agent.stream(call(request, context), context):
                yield message

        if method in UNARY:
            return grpc.unary_unary_rpc_method_handler(unary)
        return grpc.unary_stream_rpc_method_handler(stream)


@pytest.fixture
async def agent(socket_dir: Path) -> AsyncIterator[ScriptedAgent]:
    scripted = ScriptedAgent(f"unix://{socket_dir}/agent")
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_AnyMethod(scripted),))
    server.add_insecure_port(f"unix:{socket_dir}/agent")
    await server.start()
    yield scripted
    await server.stop(None)


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    """Waits until a condition holds, and returns what it said."""

    async def wait(condition: Callable[[], Any], *, within: float = 5.0) -> Any:
        async with asyncio.timeout(within):
            while not (value := condition()):  # noqa: ASYNC110 — there is nothing to wait on
                await asyncio.sleep(0.005)
            return value

    return wait


@pytest.fixture
async def tasks_left() -> AsyncIterator[None]:
    """Fails a test that leaves a task behind; a server in this process may take a moment."""
    before = asyncio.all_tasks()
    yield
    for _ in range(200):
        tasks = asyncio.all_tasks() - before - {asyncio.current_task()}
        # what the server itself keeps to wait for calls
        left = {task for task in tasks if "AioServer." not in repr(task)}
        if not left:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"tasks are left behind: {left}")
