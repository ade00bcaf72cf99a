"""The helper's small parts: when, which identity, how an output is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.errors import EXIT_NOT_PERMITTED, BridgeError
from spire_bridge.helper.alarm import TICK_SECONDS, Alarm
from spire_bridge.helper.edition import Edition
from spire_bridge.helper.lifetime import half_life
from spire_bridge.helper.output import OutputState
from spire_bridge.helper.program import signal_named
from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.transport.rpc_errors import PermissionDenied, Unavailable
from spire_bridge.workload.errors import HintNotFound, IdentityNotIssued
from spire_bridge.workload.identity import Identity

NOW = 1_800_000_000.0


@given(left=st.floats(2.5, 1e9), jitter=st.floats(0, 1))
def test_renewal_is_before_half_and_not_long_before(left: float, jitter: float) -> None:
    waited = half_life(NOW, NOW + left, lambda: jitter) - NOW
    assert min(1.0, left * 0.4) - 1e-3 <= waited <= max(1.0, left * 0.5) + 1e-3


@pytest.mark.parametrize("left", [-3600.0, 0.0, 0.5, 2.0])
def test_what_is_nearly_over_is_not_asked_for_without_a_pause(left: float) -> None:
    assert half_life(NOW, NOW + left) == NOW + 1.0


@dataclass(frozen=True)
class Issued:
    spiffe_id: SpiffeId
    hint: str = ""


FIRST = Issued(SpiffeId.parse("spiffe://example.org/a"))
SECOND = Issued(SpiffeId.parse("spiffe://example.org/b"), "second")
TWIN = Issued(SpiffeId.parse("spiffe://example.org/b"), "twin")
ALL = (FIRST, SECOND, TWIN)


def test_identities() -> None:
    assert Identity().among(ALL) is FIRST
    assert Identity(hint="twin").among(ALL) is TWIN
    assert Identity(spiffe_id=SECOND.spiffe_id).among(ALL) is SECOND
    assert Identity(hint="").among(ALL) is FIRST


def test_identities_that_were_not_sent() -> None:
    with pytest.raises(HintNotFound) as hint:
        Identity(hint="third").among(ALL)
    assert hint.value.hint == "hints that the agent sent: second, twin"
    with pytest.raises(IdentityNotIssued) as other:
        Identity(spiffe_id=SpiffeId.parse("spiffe://example.org/c")).among(ALL)
    assert "spiffe://example.org/a, spiffe://example.org/b" in (other.value.hint or "")
    for identity in (Identity(), Identity(hint="x")):
        with pytest.raises(PermissionDenied) as none:
            identity.among(())
        assert none.value.exit_status == EXIT_NOT_PERMITTED


def state(
    *, error: BridgeError | None = None, expires_at: float | None = None, written: bool = True
) -> OutputState:
    return OutputState(NOW if written else None, NOW, expires_at, error)


@pytest.mark.parametrize(
    ("how", "condition", "ready"),
    [
        (state(), "fresh", True),
        (state(expires_at=NOW + 1), "fresh", True),
        (state(expires_at=NOW), "expired", False),
        (state(error=Unavailable("x")), "failing", True),
        (state(error=Unavailable("x"), expires_at=NOW - 1), "expired", False),
        (state(error=PermissionDenied("x")), "withdrawn", False),
        (state(error=HintNotFound("x"), expires_at=NOW + 1), "withdrawn", False),
        (state(error=PermissionDenied("x"), written=False), "absent", False),
        (OutputState(), "absent", False),
    ],
)
def test_how_an_output_is(how: OutputState, condition: str, ready: bool) -> None:
    assert (how.condition(NOW), how.is_ready(NOW)) == (condition, ready)


def test_no_content_is_shown() -> None:
    assert "secret" not in repr(Edition((b"secret",)))


@pytest.mark.parametrize("name", ["HUP", "SIGHUP"])
def test_signals_by_name(name: str) -> None:
    number = signal_named(name)
    assert number is not None
    assert number.name == "SIGHUP"


@pytest.mark.parametrize("name", ["", "hup", "SIG", "1", "SIGSIGHUP", "SIG_IGN", "NONE"])
def test_signals_that_are_none(name: str) -> None:
    assert signal_named(name) is None


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


async def test_the_alarm_rings_what_is_due() -> None:
    clock = Clock()
    alarm = Alarm(clock)
    early, late, never = (asyncio.Event() for _ in range(3))
    alarm.set(early, NOW + 1)
    alarm.set(late, NOW + 3)
    alarm.set(never, NOW + 1)
    alarm.set(never, None)
    assert alarm.ring() == 1
    assert not early.is_set()
    clock.now += 1
    assert alarm.ring() == 2
    assert early.is_set()
    alarm.set(late, NOW + 100)
    clock.now += 50
    assert alarm.ring() == TICK_SECONDS
    clock.now += 3600  # a machine that was suspended
    alarm.ring()
    assert late.is_set()
    assert not never.is_set()


async def test_an_alarm_that_is_set_earlier_is_heard_at_once() -> None:
    alarm = Alarm()
    running = asyncio.create_task(alarm.run())
    await asyncio.sleep(0)
    event = asyncio.Event()
    alarm.set(event, 0)
    async with asyncio.timeout(1):
        await event.wait()
    running.cancel()
