"""The watch loop: over scripted streams for its rules, over the sandbox for the real thing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

import grpc
import grpc.aio
import pytest

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.bundles.source import SourceState
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.transport.backoff import Backoff
from spire_bridge.transport.rpc_errors import (
    Canceled,
    DeadlineExceeded,
    InvalidArgument,
    PermissionDenied,
    StreamEnded,
    Unavailable,
    UnexpectedAnswer,
    Unimplemented,
)
from spire_bridge.workload.address import EndpointAddress
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.errors import agent_at
from spire_bridge.workload.watch import Watch

HOME = TrustDomain("example.org")
AGENT = agent_at(EndpointAddress.parse("tcp://127.0.0.1:1"))
END: Any = grpc.aio.EOF
HANG = object()
Eventually = Callable[..., Awaitable[Any]]


class Stream:
    """A call of grpc's, playing a list of outcomes; silent after the last."""

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = list(outcomes)
        self.cancelled = False

    async def read(self) -> Any:
        if not self._outcomes or self._outcomes[0] is HANG:
            await asyncio.Event().wait()
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def cancel(self) -> bool:
        self.cancelled = True
        return True


class RecordedBackoff(Backoff):
    """Waits no time at all, and notes how long it would have been."""

    def __init__(self) -> None:
        super().__init__(jitter=lambda: 1.0)
        self.delays: list[float] = []

    def next_delay(self) -> float:
        self.delays.append(super().next_delay())
        return 0.0


class Harness:
    """A watch over scripted streams, with all that it reports."""

    def __init__(self, clock: Callable[[], float], *streams: Stream, timeout: float = 5.0) -> None:
        self.streams = streams
        self.opened = 0
        self.states: list[SourceState] = []
        self.watch: Watch[str] = Watch(
            self._open,
            _parse,
            AGENT,
            first_message_timeout=timeout,
            on_state=self.states.append,
            clock=clock,
        )
        self.backoff = RecordedBackoff()
        self.watch._backoff = self.backoff

    def _open(self) -> Any:
        stream = self.streams[self.opened]
        self.opened += 1
        return stream

    @property
    def errors(self) -> list[type[Exception] | None]:
        return [type(state.last_error) if state.last_error else None for state in self.states]


def _parse(message: str) -> str:
    if message.startswith("bad"):
        raise InvalidBundle(message)
    return message.upper()


def status(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())


async def test_values_come_parsed_and_in_order(clock: Any) -> None:
    harness = Harness(clock, Stream("a", "b"))
    assert [await anext(harness.watch), await anext(harness.watch)] == ["A", "B"]
    assert harness.opened == 1
    assert harness.watch.state.connected


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (END, StreamEnded),
        (None, UnexpectedAnswer),
        (status(grpc.StatusCode.UNAVAILABLE), Unavailable),
        (status(grpc.StatusCode.PERMISSION_DENIED), PermissionDenied),
        (status(grpc.StatusCode.DEADLINE_EXCEEDED), DeadlineExceeded),
        *((status(code), None) for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)),
        (status(grpc.StatusCode.UNAUTHENTICATED), None),
        (status(grpc.StatusCode.RESOURCE_EXHAUSTED), None),
    ],
)
async def test_it_goes_on_after(clock: Any, outcome: Any, kind: type[Exception] | None) -> None:
    first = Stream("a", outcome)
    harness = Harness(clock, first, Stream(outcome), Stream("b"))
    assert await anext(harness.watch) == "A"
    assert await anext(harness.watch) == "B"
    assert harness.opened == 3
    assert first.cancelled
    assert [state.connected for state in harness.states] == [True, False, False, True]
    if kind is not None:
        assert harness.errors == [None, kind, kind, None]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.CANCELLED, Canceled),
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidArgument),
        (grpc.StatusCode.UNIMPLEMENTED, Unimplemented),
    ],
)
async def test_it_ends_with(clock: Any, code: grpc.StatusCode, kind: type[Exception]) -> None:
    stream = Stream("a", status(code))
    harness = Harness(clock, stream)
    assert await anext(harness.watch) == "A"
    with pytest.raises(kind):
        await anext(harness.watch)
    assert stream.cancelled
    assert not harness.watch.state.connected
    assert isinstance(harness.watch.state.last_error, kind)
    assert harness.backoff.delays == []


async def test_delays_double_up_to_half_a_minute_and_each_message_resets_them(clock: Any) -> None:
    lost = status(grpc.StatusCode.UNAVAILABLE)
    harness = Harness(
        clock, *(Stream(lost) for _ in range(9)), Stream("a", lost), Stream("bad", END), Stream("b")
    )
    await anext(harness.watch)
    assert harness.backoff.delays == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    await anext(harness.watch)
    assert harness.backoff.delays[9:] == [0.25, 0.25]


async def test_it_really_waits_between_attempts(clock: Any) -> None:
    lost = status(grpc.StatusCode.UNAVAILABLE)
    harness = Harness(clock, Stream(lost), Stream(lost), Stream("a"))
    harness.watch._backoff = Backoff(initial=0.05, jitter=lambda: 1.0)
    start = asyncio.get_running_loop().time()
    await anext(harness.watch)
    assert asyncio.get_running_loop().time() - start >= 0.149


async def test_a_refused_message_is_left_out_and_shown_in_the_state(clock: Any) -> None:
    harness = Harness(clock, Stream("a", "bad 1", "bad 2", "b"))
    assert await anext(harness.watch) == "A"
    reading = asyncio.ensure_future(anext(harness.watch))
    assert await reading == "B"
    assert harness.opened == 1
    assert all(state.connected for state in harness.states)
    assert harness.errors == [None, InvalidBundle, InvalidBundle, None]


async def test_since_is_when_the_connection_came_or_went(clock: Any) -> None:
    lost = status(grpc.StatusCode.UNAVAILABLE)
    harness = Harness(clock, Stream("a", "bad", "b", lost), Stream(lost), Stream("c"))
    start = clock.now
    assert harness.watch.state == SourceState(False, start)
    for _ in range(2):
        clock.advance(10)
        await anext(harness.watch)
    assert [state.since for state in harness.states] == [start + 10] * 3
    clock.advance(10)
    await anext(harness.watch)
    assert [state.since for state in harness.states[3:]] == [start + 30] * 3


async def test_a_silent_stream_is_given_up_and_opened_again(clock: Any) -> None:
    silent = Stream(HANG)
    harness = Harness(clock, silent, Stream("a"), timeout=0.05)
    assert await anext(harness.watch) == "A"
    assert silent.cancelled
    assert harness.errors == [DeadlineExceeded, None]


async def test_silence_after_the_first_message_is_no_failure(clock: Any) -> None:
    harness = Harness(clock, Stream("a"), timeout=0.05)
    await anext(harness.watch)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(harness.watch), 0.2)
    assert harness.errors == [None]


async def test_an_interrupted_wait_ends_the_stream_and_the_next_opens_another(clock: Any) -> None:
    first = Stream("a")
    harness = Harness(clock, first, Stream("b"))
    await anext(harness.watch)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(harness.watch), 0.01)
    assert first.cancelled
    assert not harness.watch.state.connected
    assert await anext(harness.watch) == "B"
    assert harness.watch.state.connected


async def test_an_error_of_the_parser_that_is_no_refusal_is_not_swallowed(clock: Any) -> None:
    harness = Harness(clock, Stream(1))
    with pytest.raises(AttributeError):
        await anext(harness.watch)


async def test_closing_is_idempotent(clock: Any) -> None:
    stream = Stream("a")
    harness = Harness(clock, stream, Stream("b"))
    harness.watch.close()
    await anext(harness.watch)
    harness.watch.close()
    harness.watch.close()
    assert stream.cancelled
    assert not harness.watch.state.connected


# Over the sandbox.


@pytest.fixture(params=["watch_jwt_bundles", "watch_x509_context", "watch_x509_bundles"])
def watch(request: pytest.FixtureRequest, client: WorkloadClient) -> Watch[Any]:
    opened: Watch[Any] = getattr(client, request.param)()
    opened._backoff = Backoff(initial=0.01, maximum=0.05)
    return opened


def bundle_of(value: Any) -> Any:
    return getattr(value, "bundles", value)[HOME]


async def test_the_first_message_comes_at_once_and_changes_follow(
    sandbox: SandboxTrustDomain, watch: Watch[Any]
) -> None:
    before = await soon(anext(watch))
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    sandbox.jwt.prepare()
    sandbox.x509.prepare()
    after = await soon(waiting)
    assert bundle_of(after) != bundle_of(before)


async def test_it_survives_a_restart_of_the_agent(
    cluster: Cluster, watch: Watch[Any], eventually: Eventually
) -> None:
    before = await soon(anext(watch))
    waiting = asyncio.ensure_future(anext(watch))
    await cluster.stop()
    await eventually(lambda: not watch.state.connected)
    assert isinstance(watch.state.last_error, Unavailable)
    await cluster.start()
    assert bundle_of(await soon(waiting)) == bundle_of(before)
    assert watch.state.connected
    assert watch.state.last_error is None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.UNAVAILABLE, Unavailable),
        (Fault.PERMISSION_DENIED, PermissionDenied),
        (Fault.GARBAGE, UnexpectedAnswer),
        (Fault.END_STREAM, StreamEnded),
    ],
)
async def test_it_survives_the_fault(
    workload: Workload,
    watch: Watch[Any],
    eventually: Eventually,
    fault: Fault,
    kind: type[Exception],
) -> None:
    await soon(anext(watch))
    errors = recorded(watch)
    waiting = asyncio.ensure_future(anext(watch))
    workload.fault = fault
    await eventually(lambda: any(isinstance(error, kind) for error in errors))
    workload.fault = None
    await soon(waiting)
    assert watch.state.connected


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault.INVALID_ARGUMENT, InvalidArgument), (Fault.UNIMPLEMENTED, Unimplemented)],
)
async def test_it_does_not_survive(
    workload: Workload, watch: Watch[Any], fault: Fault, kind: type[Exception]
) -> None:
    await soon(anext(watch))
    workload.fault = fault
    with pytest.raises(kind):
        await soon(anext(watch))


async def test_an_agent_that_hangs_from_the_start(
    workload: Workload, eventually: Eventually
) -> None:
    workload.fault = Fault.HANG
    async with WorkloadClient(workload.address, timeout=0.1) as client:
        watch = client.watch_jwt_bundles()
        watch._backoff = Backoff(initial=0.01)
        waiting = asyncio.ensure_future(anext(watch))
        await eventually(lambda: isinstance(watch.state.last_error, DeadlineExceeded))
        workload.fault = None
        assert HOME in await soon(waiting)


async def test_a_watch_of_nothing_delivers_once_there_is_an_agent(
    cluster: Cluster, workload: Workload, eventually: Eventually
) -> None:
    await cluster.stop()
    async with WorkloadClient(workload.address) as client:
        watch = client.watch_jwt_bundles()
        waiting = asyncio.ensure_future(anext(watch))
        await eventually(lambda: watch.state.last_error)
        assert watch.state.last_error is not None
        assert watch.state.last_error.code == "SOCKET_MISSING"
        await cluster.start()
        assert HOME in await soon(waiting)


async def test_a_withdrawn_entry_and_its_return(
    workload: Workload, watch: Watch[Any], eventually: Eventually
) -> None:
    await soon(anext(watch))
    waiting = asyncio.ensure_future(anext(watch))
    workload.deregister("spiffe://example.org/workload")
    await eventually(lambda: isinstance(watch.state.last_error, PermissionDenied))
    workload.register(Entry("spiffe://example.org/workload"))
    await soon(waiting)


async def test_cancelling_leaves_no_task_and_no_stream(
    workload: Workload, tasks_left: None, agent: Any, eventually: Eventually
) -> None:
    ended = asyncio.Event()

    async def script(_: Any) -> AsyncIterator[bytes]:
        try:
            yield pb.JWTBundlesResponse(
                bundles={"example.org": b'{"keys": []}'}
            ).SerializeToString()
            await asyncio.Event().wait()
        finally:
            ended.set()

    agent.script = script
    async with WorkloadClient(agent.address) as client:
        watch = client.watch_jwt_bundles()
        await soon(anext(watch))
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await soon(ended.wait())


async def test_cancelling_during_the_backoff(workload: Workload, tasks_left: None) -> None:
    workload.fault = Fault.UNAVAILABLE
    async with WorkloadClient(workload.address) as client:
        watch = client.watch_jwt_bundles()
        watch._backoff = Backoff(initial=60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.2)
        workload.fault = None
        assert await soon(anext(watch))


async def test_waiting_again_and_again_opens_no_storm_of_errors(
    sandbox: SandboxTrustDomain, watch: Watch[Any]
) -> None:
    await soon(anext(watch))
    for _ in range(3):
        with suppress(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.05)
    sandbox.jwt.prepare()
    sandbox.x509.prepare()
    assert await soon(anext(watch))


async def test_closing_from_elsewhere_ends_the_watch_with_an_error(
    client: WorkloadClient, tasks_left: None
) -> None:
    watch = client.watch_jwt_bundles()
    await soon(anext(watch))
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.02)
    watch.close()
    with pytest.raises(Canceled):
        await soon(waiting)


async def test_closing_the_client_ends_the_watch_with_an_error(workload: Workload) -> None:
    async with WorkloadClient(workload.address) as client:
        watch = client.watch_jwt_bundles()
        await soon(anext(watch))
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0.02)
    with pytest.raises(Canceled):
        await soon(waiting)
    with pytest.raises(Canceled):
        await soon(anext(watch))


async def test_it_can_be_the_source_of_a_generator(client: WorkloadClient) -> None:
    async def values() -> Any:
        async for value in client.watch_jwt_bundles():
            yield value

    async with aclosing(values()) as generator:
        assert HOME in await soon(anext(generator))


def recorded(watch: Watch[Any]) -> list[Exception | None]:
    errors: list[Exception | None] = []
    watch._on_state = lambda state: errors.append(state.last_error)
    return errors


async def soon(value: Any) -> Any:
    return await asyncio.wait_for(value, 5.0)
