"""What a background watch holds: its start, its loss, its redaction and its end."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.transport.rpc_errors import (
    DeadlineExceeded,
    InvalidArgument,
    PermissionDenied,
    SocketMissing,
    StreamEnded,
    Unavailable,
    UnexpectedAnswer,
    Unimplemented,
)
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.latest import Latest

HOME = TrustDomain("example.org")
Eventually = Callable[..., Awaitable[Any]]


async def start(address: str, seconds: float = 0.3) -> None:
    async with (
        WorkloadClient(address, timeout=seconds) as client,
        Latest(client.watch_jwt_bundles, start_timeout=seconds),
    ):
        pass


async def test_it_starts_with_a_value(client: WorkloadClient, tasks_left: None) -> None:
    async with Latest(client.watch_jwt_bundles, start_timeout=5.0) as latest:
        assert HOME in latest.value
        assert latest.state.connected


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.UNAVAILABLE, Unavailable),
        (Fault.PERMISSION_DENIED, PermissionDenied),
        (Fault.GARBAGE, UnexpectedAnswer),
        (Fault.HANG, DeadlineExceeded),
    ],
)
async def test_a_failed_start_raises_what_the_agent_last_answered(
    workload: Workload, tasks_left: None, fault: Fault, kind: type[Exception]
) -> None:
    workload.fault = fault
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        await start(workload.address)
    assert type(caught.value) is kind
    assert 0.25 < time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault.INVALID_ARGUMENT, InvalidArgument), (Fault.UNIMPLEMENTED, Unimplemented)],
)
async def test_a_final_answer_ends_the_start_at_once(
    workload: Workload, tasks_left: None, fault: Fault, kind: type[Exception]
) -> None:
    workload.fault = fault
    began = time.monotonic()
    with pytest.raises(kind):
        await start(workload.address, seconds=30)
    assert time.monotonic() - began < 5


async def test_a_start_without_an_agent(tmp_path: Any) -> None:
    with pytest.raises(SocketMissing):
        await start("unix:///nowhere/agent.sock")


async def test_a_start_waits_for_an_entry_that_comes_late(workload: Workload) -> None:
    workload.fault = Fault.PERMISSION_DENIED

    async def register() -> None:
        await asyncio.sleep(0.1)
        workload.fault = None

    await asyncio.gather(start(workload.address, seconds=5.0), register())


async def test_a_cancelled_start_leaves_nothing(workload: Workload, tasks_left: None) -> None:
    workload.fault = Fault.HANG
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(start(workload.address, seconds=30), 0.1)


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.GARBAGE, Fault.HANG])
async def test_losing_the_agent_keeps_the_value(
    workload: Workload, client: WorkloadClient, fault: Fault
) -> None:
    async with Latest(client.watch_jwt_bundles, start_timeout=5.0) as latest:
        value = latest.value
        workload.fault = fault
        await asyncio.sleep(0.05)
        assert latest.value is value


async def test_being_denied_drops_the_value_and_wakes_who_waits(
    workload: Workload, client: WorkloadClient
) -> None:
    async with Latest(client.watch_jwt_bundles, start_timeout=5.0) as latest:
        changed = asyncio.ensure_future(latest.changed())
        await asyncio.sleep(0)
        workload.fault = Fault.PERMISSION_DENIED
        await asyncio.wait_for(changed, 5)
        with pytest.raises(PermissionDenied):
            _ = latest.value
        changed = asyncio.ensure_future(latest.changed())
        await asyncio.sleep(0)
        workload.fault = None
        await asyncio.wait_for(changed, 5)
        assert HOME in latest.value


async def test_asking_again_and_again_while_denied_piles_nothing_up(
    workload: Workload, client: WorkloadClient, eventually: Eventually
) -> None:
    async with Latest(client.watch_jwt_bundles, start_timeout=5.0) as latest:
        workload.fault = Fault.PERMISSION_DENIED
        await eventually(lambda: not latest.state.connected)
        lengths = set()
        for _ in range(20):
            with pytest.raises(PermissionDenied) as caught:
                _ = latest.value
            lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
        assert len(lengths) == 1


async def test_each_change_wakes_who_waits(
    sandbox: SandboxTrustDomain, client: WorkloadClient
) -> None:
    async with Latest(client.watch_jwt_bundles, start_timeout=5.0) as latest:
        for number in (2, 3):
            changed = asyncio.ensure_future(latest.changed())
            await asyncio.sleep(0)
            sandbox.jwt.prepare()
            await asyncio.wait_for(changed, 5)
            assert len(latest.value[HOME].authorities) == number


async def test_a_final_answer_later_keeps_the_value_and_shows_in_the_state(
    workload: Workload, client: WorkloadClient, eventually: Eventually
) -> None:
    async with Latest(client.watch_jwt_bundles, start_timeout=5.0) as latest:
        workload.fault = Fault.UNIMPLEMENTED
        await eventually(lambda: isinstance(latest.state.last_error, Unimplemented))
        assert HOME in latest.value
        assert not latest.state.connected


async def test_a_stream_that_ends_is_opened_again(
    workload: Workload, client: WorkloadClient, eventually: Eventually
) -> None:
    async with Latest(client.watch_jwt_bundles, start_timeout=5.0) as latest:
        workload.fault = Fault.END_STREAM
        await eventually(lambda: isinstance(latest.state.last_error, StreamEnded))
        workload.fault = None
        await eventually(lambda: latest.state.connected)


async def test_leaving_ends_the_watch(workload: Workload, tasks_left: None) -> None:
    async with WorkloadClient(workload.address) as client:
        latest = Latest(client.watch_jwt_bundles, start_timeout=5.0)
        async with latest:
            pass
        assert not latest.state.connected


async def test_before_it_is_entered_there_is_no_value(client: WorkloadClient) -> None:
    with pytest.raises(Unavailable):
        _ = Latest(client.watch_jwt_bundles, start_timeout=5.0).value
