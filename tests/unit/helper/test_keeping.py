"""Outputs that are kept: written when they change, tried again when they fail, never overtaken."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.helper.edition import Edition
from spire_bridge.helper.engine import Engine, write_once
from spire_bridge.helper.keeper import Keeper
from spire_bridge.helper.output import FollowUp, Output
from spire_bridge.transport.rpc_errors import DeadlineExceeded, PermissionDenied, Unavailable


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Source:
    """Gives `edition`, or fails with `error`; `hang` is waited for first."""

    edition: Edition = field(default_factory=lambda: Edition((b"1",)))
    error: Exception | None = None
    hang: asyncio.Event | None = None
    asked: int = 0
    listeners: list[Callable[[], None]] = field(default_factory=list)

    async def obtain(self) -> Edition:
        self.asked += 1
        if self.hang is not None:
            await self.hang.wait()
        if self.error is not None:
            raise self.error
        return self.edition

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def push(self, *contents: bytes) -> None:
        self.edition = Edition(contents)
        for listener in self.listeners:
            listener()


@dataclass
class Shelf:
    """Keeps what is put; `gate` holds a write up, in its thread."""

    put_here: list[tuple[bytes, ...]] = field(default_factory=list)
    error: Exception | None = None
    gate: threading.Event | None = None
    began: int = 0

    @property
    def paths(self) -> tuple[Path, ...]:
        return ()

    def put(self, contents: Sequence[bytes]) -> None:
        self.began += 1
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        self.put_here.append(tuple(contents))


class Kept:
    """An engine with one output."""

    def __init__(self, *after: FollowUp) -> None:
        self.clock, self.source, self.shelf = Clock(), Source(), Shelf()
        self.heard: list[Keeper] = []
        self.engine = Engine(clock=self.clock, on_state=self.heard.append)
        self.output = Output("o", self.source, self.shelf, after)

    @property
    def condition(self) -> str:
        return self.engine.states["o"].condition(self.clock.now)

    async def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < deadline, self.engine.states
            await asyncio.sleep(0.002)

    async def later(self, seconds: float) -> None:
        """Sets the clock forward once the output waits for its time."""
        await self.until(lambda: self.engine._alarm._due)
        self.clock.now += seconds
        self.engine.ring()


async def test_it_is_written_when_it_changes_and_only_then() -> None:
    kept = Kept()
    async with kept.engine as engine:
        await engine.keep([kept.output])
        await kept.until(lambda: kept.condition == "fresh")
        kept.source.push(b"1")
        await kept.until(lambda: kept.source.asked == 2)
        kept.source.push(b"2")
        await kept.until(lambda: len(kept.shelf.put_here) == 2)
    assert kept.shelf.put_here == [(b"1",), (b"2",)]
    assert engine.states["o"].writes == 2


async def test_the_time_to_renew_comes() -> None:
    kept = Kept()
    now = kept.clock.now
    kept.source.edition = Edition((b"1",), now + 100, now + 50)
    async with kept.engine as engine:
        await engine.keep([kept.output])
        await kept.until(lambda: kept.condition == "fresh")
        kept.source.edition = Edition((b"1",), now + 200, now + 150)
        await kept.later(51)
        await kept.until(lambda: engine.states["o"].expires_at == now + 200)
        assert kept.shelf.put_here == [(b"1",)]
        kept.source.error = Unavailable("away")
        await kept.later(100)
        await kept.until(lambda: kept.condition == "failing")
        kept.clock.now += 100
        assert kept.condition == "expired"
        assert not engine.is_ready()
        kept.source.error = None
        kept.source.edition = Edition((b"2",), kept.clock.now + 100, kept.clock.now + 50)
        await kept.later(31)  # the longest pause is 30 s
        await kept.until(lambda: kept.condition == "fresh")


@pytest.mark.parametrize("error", [PermissionDenied("x"), FileFailure("x"), KeyError("defect")])
async def test_it_is_tried_again_for_ever(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    kept.source.error = error
    async with kept.engine as engine:
        await engine.keep([kept.output])
        for failures in range(1, 8):
            await kept.until(lambda n=failures: engine.states["o"].failures == n)
            kept.source.error = error if failures < 7 else None
            await kept.later(31)
        await kept.until(lambda: kept.condition == "fresh")
    warned = [r for r in caplog.records if r.message == "output was not renewed"]
    assert len(warned) == 1  # what goes wrong in the same way again is no news
    assert engine.states["o"].failures == 7
    defects = [r for r in caplog.records if r.message == "output failed for a defect"]
    assert bool(defects) is isinstance(error, KeyError)


async def test_one_that_hangs_holds_up_no_other() -> None:
    kept, other = Kept(), Source()
    kept.source.hang = asyncio.Event()
    shelf = Shelf()
    async with kept.engine as engine:
        await engine.keep([kept.output, Output("other", other, shelf)])
        await kept.until(lambda: shelf.put_here)
        assert not engine.all_are_written()
        kept.source.hang.set()
        await kept.until(engine.all_are_written)


class Endpoint(Source):
    """Waits in a thread of the event loop, as one that does not answer."""

    def __init__(self, answers: threading.Event) -> None:
        super().__init__()
        self._answers = answers

    async def obtain(self) -> Edition:
        await asyncio.to_thread(self._answers.wait, 10)
        return self.edition


async def test_endpoints_that_do_not_answer_hold_up_no_other() -> None:
    kept, answers = Kept(), threading.Event()
    slow = [Output(f"s{n}", Endpoint(answers), Shelf()) for n in range(64)]
    async with kept.engine as engine:
        await engine.keep([*slow, kept.output])
        await kept.until(lambda: kept.shelf.put_here)
        assert not engine.all_are_written()
        answers.set()
        await kept.until(engine.all_are_written)


async def test_a_write_that_has_begun_is_not_overtaken() -> None:
    kept, newer = Kept(), Source(Edition((b"newer",)))
    kept.shelf.gate = threading.Event()
    async with kept.engine as engine:
        await engine.keep([kept.output])
        await kept.until(lambda: kept.shelf.began)
        changing = asyncio.create_task(engine.keep([Output("o", newer, kept.shelf)]))
        await asyncio.sleep(0.02)
        assert not changing.done()
        kept.shelf.gate.set()
        await changing
        await kept.until(lambda: len(kept.shelf.put_here) == 2)
    assert kept.shelf.put_here == [(b"1",), (b"newer",)]


async def test_outputs_that_go_are_forgotten() -> None:
    kept = Kept()
    async with kept.engine as engine:
        await engine.keep([kept.output])
        await kept.until(engine.all_are_written)
        await engine.keep([kept.output])
        assert len(kept.source.listeners) == 1
        await engine.keep([])
        assert kept.source.listeners == []
        assert engine.states == {}
        assert engine.is_ready()
    assert kept.source.asked == 1


class Following:
    """A follow-up that waits for `gate` and may fail."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate = asyncio.Event()
        self.error: BridgeError | None = None

    async def __call__(self) -> None:
        self.calls += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error


async def test_what_follows_is_done_once_more_for_what_came_meanwhile(
    caplog: pytest.LogCaptureFixture,
) -> None:
    following = Following()
    following.error = BridgeError("no")
    kept = Kept(following)
    async with kept.engine as engine:
        await engine.keep([kept.output])
        for number in (b"2", b"3", b"4"):
            await kept.until(lambda: kept.condition == "fresh")
            kept.source.push(number)
            await kept.until(lambda n=number: kept.shelf.put_here[-1] == (n,))
        assert following.calls == 1
        following.gate.set()
        await kept.until(lambda: following.calls == 2)
        await kept.until(lambda: len(caplog.records) >= 2)
        assert kept.condition == "fresh"
    assert following.calls == 2
    assert {r.message for r in caplog.records} >= {"what follows a change failed"}


async def test_once(caplog: pytest.LogCaptureFixture) -> None:
    following = Following()
    kept = Kept(following)
    await write_once([kept.output], timeout_seconds=5)
    assert kept.shelf.put_here == [(b"1",)]
    assert following.calls == 0


async def test_once_for_what_comes_later() -> None:
    kept = Kept()
    kept.source.error = PermissionDenied("no entry")
    writing = asyncio.create_task(write_once([kept.output], timeout_seconds=5))
    await kept.until(lambda: kept.source.asked >= 2)
    kept.source.error = None
    await writing
    assert kept.shelf.put_here == [(b"1",)]


@pytest.mark.parametrize("error", [PermissionDenied("no entry"), Unavailable("away")])
async def test_once_until_the_time_is_over(error: BridgeError) -> None:
    kept, good = Kept(), Shelf()
    kept.source.error = error
    with pytest.raises(type(error)):
        await write_once([kept.output, Output("good", Source(), good)], timeout_seconds=0.3)
    assert kept.source.asked >= 2
    assert good.put_here == [(b"1",)]


async def test_once_is_over_in_time_even_if_nobody_answers() -> None:
    kept = Kept()
    kept.source.hang = asyncio.Event()
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="o could not be written in time"):
        await write_once([kept.output], timeout_seconds=0.1)
    assert time.monotonic() - started < 1


async def test_once_does_not_wait_where_waiting_is_no_use() -> None:
    kept = Kept()
    kept.shelf.error = FileFailure("full")
    with pytest.raises(FileFailure):
        await write_once([kept.output], timeout_seconds=60)
    assert kept.source.asked == 1
