"""The rule that combines sources, case by case."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle

MakeBundle = Callable[..., Bundle]

# Each step is a source, what happens to it, and the keys of the combined bundle after that.
# A source tells the keys of its word ("12": keys 1 and 2; "-": none), is lost, comes back
# without having said anything, or has an answer refused.
SEQUENCES: dict[str, list[tuple[str, str, str | None]]] = {
    "nothing is known before a source has spoken": [("A", "back", None), ("A", "refused", None)],
    "losing a source that never spoke is nothing": [("A", "lost", None)],
    "one source": [("A", "1", "1"), ("A", "12", "12"), ("A", "2", "2"), ("A", "-", "-")],
    "an empty set first": [("A", "-", "-")],
    "a union of two": [("A", "1", "1"), ("B", "2", "12")],
    "a key leaves when both have dropped it": [
        ("A", "12", "12"),
        ("B", "12", "12"),
        ("A", "2", "12"),
        ("B", "2", "2"),
    ],
    "a key that comes again": [("A", "1", "1"), ("A", "-", "-"), ("A", "1", "1")],
    "an empty set of one of two": [("A", "1", "1"), ("B", "1", "1"), ("A", "-", "1")],
    "an empty set of both": [("A", "1", "1"), ("B", "1", "1"), ("A", "-", "1"), ("B", "-", "-")],
    "losing the only source": [("A", "1", "1"), ("A", "lost", "1"), ("A", "back", "1")],
    "losing one of two": [("A", "1", "1"), ("B", "2", "12"), ("A", "lost", "12")],
    "losing both": [("A", "1", "1"), ("B", "2", "12"), ("A", "lost", "12"), ("B", "lost", "12")],
    "it comes back with other keys": [("A", "1", "1"), ("A", "lost", "1"), ("A", "2", "2")],
    "it comes back with none": [("A", "1", "1"), ("A", "lost", "1"), ("A", "-", "-")],
    "a lost source does not outlive a revocation": [
        ("A", "12", "12"),
        ("B", "12", "12"),
        ("A", "lost", "12"),
        ("B", "2", "2"),
        ("A", "back", "2"),
        ("A", "refused", "2"),
        ("B", "lost", "2"),
    ],
    "losing the last holder of a revoked key": [
        ("A", "12", "12"),
        ("B", "12", "12"),
        ("B", "2", "12"),
        ("A", "lost", "2"),
    ],
    "a lagging source brings a revoked key back only while it stands": [
        ("A", "12", "12"),
        ("B", "12", "12"),
        ("A", "lost", "12"),
        ("B", "2", "2"),
        ("A", "12", "12"),
        ("A", "lost", "2"),
    ],
    "both away, and one comes back": [
        ("A", "1", "1"),
        ("B", "12", "12"),
        ("A", "lost", "12"),
        ("B", "lost", "12"),
        ("A", "1", "1"),
    ],
    "a repeated message tells of nothing new": [
        ("A", "12", "12"),
        ("B", "1", "12"),
        ("A", "lost", "12"),
        ("B", "1", "12"),
        ("B", "13", "13"),
    ],
    "but an empty one revokes, also when repeated": [
        ("A", "12", "12"),
        ("B", "-", "12"),
        ("A", "lost", "12"),
        ("B", "-", "-"),
    ],
    "a refused answer keeps the last good one": [
        ("A", "12", "12"),
        ("A", "refused", "12"),
        ("B", "1", "12"),
        ("A", "1", "1"),
    ],
    "refused answers after a loss block no revocation": [
        ("A", "12", "12"),
        ("B", "12", "12"),
        ("A", "lost", "12"),
        ("A", "refused", "12"),
        ("B", "2", "2"),
    ],
}


@pytest.mark.parametrize("name", SEQUENCES)
async def test_sequence(cast: Any, bundle: MakeBundle, clock: Any, name: str) -> None:
    sources = {source: cast.join(source) for source in "AB"}
    await asyncio.sleep(0)
    for step, (source, event, expected) in enumerate(SEQUENCES[name]):
        clock.advance(1)
        match event:
            case "lost":
                await sources[source].lose()
            case "back":
                await sources[source].connect()
            case "refused":
                await sources[source].refuse()
            case _:
                await sources[source].tell(bundle(*event.replace("-", "")))
        wanted = None if expected is None else set(expected.replace("-", ""))
        assert cast.keys == wanted, f"after step {step + 1}"


async def test_each_change_is_announced_once(cast: Any, bundle: MakeBundle) -> None:
    a, b = cast.join("A"), cast.join("B")
    await a.tell(bundle("1"))
    await a.tell(bundle("1"))
    await b.tell(bundle("1"))
    await b.tell(bundle("1", "2"))
    await a.lose()
    assert cast.changes == [{"1"}, {"1", "2"}]


async def test_an_empty_first_set_is_announced(cast: Any, bundle: MakeBundle) -> None:
    await cast.join("A").tell(bundle())
    assert cast.changes == [set()]


async def test_the_state_is_told_by_source(cast: Any, bundle: MakeBundle, clock: Any) -> None:
    a, b = cast.join("A"), cast.join("B")
    await asyncio.sleep(0)
    first, second = cast.store.statuses()
    assert (first.name, second.name) == ("A", "B")
    assert not first.state.connected
    assert (first.received_at, first.keys, first.lagging) == (None, 0, False)
    await a.tell(bundle("1", "2"))
    told_at = clock.now
    clock.advance(5)
    await b.tell(bundle("1"))
    await b.refuse()
    first, second = cast.store.statuses()
    assert (first.received_at, first.keys) == (told_at, 2)
    assert first.state.connected
    assert second.state.last_error is not None
    assert second.keys == 1
    assert cast.states > 0


async def test_a_source_that_lacks_a_key_lags(cast: Any, bundle: MakeBundle) -> None:
    a, b = cast.join("A"), cast.join("B")
    await a.tell(bundle("1"))
    await b.tell(bundle("1"))
    await a.tell(bundle("1", "2"))
    ahead, behind = cast.store.statuses()
    assert not ahead.lagging
    assert (behind.missing, behind.stale) == (("2",), ())
    await b.tell(bundle("1", "2"))
    assert not any(status.lagging for status in cast.store.statuses())


async def test_a_source_that_keeps_a_dropped_key_lags(cast: Any, bundle: MakeBundle) -> None:
    a, b = cast.join("A"), cast.join("B")
    await a.tell(bundle("1", "2"))
    await b.tell(bundle("1", "2"))
    await a.tell(bundle("2"))
    ahead, behind = cast.store.statuses()
    assert not ahead.lagging
    assert (behind.missing, behind.stale) == ((), ("1",))
    await b.tell(bundle("2"))
    assert not any(status.lagging for status in cast.store.statuses())


async def test_a_lost_source_does_not_lag(cast: Any, bundle: MakeBundle) -> None:
    a, b = cast.join("A"), cast.join("B")
    await a.tell(bundle("1"))
    await b.tell(bundle("1"))
    await b.lose()
    await a.tell(bundle("1", "2"))
    assert not any(status.lagging for status in cast.store.statuses())
    await b.connect()  # nothing told yet
    assert not any(status.lagging for status in cast.store.statuses())


async def test_another_key_under_a_known_id_is_refused(cast: Any, bundle: MakeBundle) -> None:
    a, b = cast.join("A"), cast.join("B")
    await a.tell(bundle("1"))
    before = cast.store.bundle
    await b.tell(bundle("1", "2", other_keys="1"))
    assert cast.store.bundle == before
    status = cast.store.statuses()[1]
    assert isinstance(status.state.last_error, InvalidBundle)
    assert "'A'" in status.state.last_error.message
    assert status.received_at is None
    await b.tell(bundle("1", "2"))
    assert cast.keys == {"1", "2"}
    assert cast.store.statuses()[1].state.last_error is None


async def test_a_conflict_keeps_what_the_source_told_before(cast: Any, bundle: MakeBundle) -> None:
    a, b = cast.join("A"), cast.join("B")
    await b.tell(bundle("2"))
    await a.tell(bundle("1"))
    await b.tell(bundle("1", "3", other_keys="1"))
    assert cast.keys == {"1", "2"}


async def test_a_source_may_replace_its_own_key_and_that_of_a_lost_one(
    cast: Any, bundle: MakeBundle
) -> None:
    a, b = cast.join("A"), cast.join("B")
    await a.tell(bundle("1"))
    replaced = bundle("1", other_keys="1")
    await a.tell(replaced)
    assert cast.store.bundle == replaced
    await a.lose()
    await b.tell(bundle("1"))
    assert cast.store.bundle == bundle("1")


async def test_confirmed_at(cast: Any, bundle: MakeBundle, clock: Any) -> None:
    store = cast.store
    a, b = cast.join("A"), cast.join("B")
    await a.connect()
    assert store.confirmed_at is None
    await a.tell(bundle("1"))
    clock.advance(10)
    assert store.confirmed_at == clock.now
    await b.tell(bundle("1"))
    await b.lose()
    clock.advance(10)
    assert store.confirmed_at == clock.now
    await a.lose()
    lost_at = clock.now
    clock.advance(10)
    assert store.confirmed_at == lost_at
    await a.connect()  # but says nothing
    clock.advance(10)
    assert store.confirmed_at == lost_at
    await a.refuse()
    clock.advance(10)
    assert store.confirmed_at == lost_at
    await a.tell(bundle("1"))
    assert store.confirmed_at == clock.now


async def test_refused_answers_confirm_nothing(cast: Any, bundle: MakeBundle, clock: Any) -> None:
    """An agent that sends garbage for a day leaves a bundle that is a day old."""
    a = cast.join("A")
    await a.tell(bundle("1"))
    clock.advance(5)
    await a.refuse()
    refused_at = clock.now
    for _ in range(3):
        clock.advance(3600)
        await a.refuse()
    assert cast.store.confirmed_at == refused_at
    await a.lose()
    assert cast.store.confirmed_at == refused_at


async def test_a_restored_bundle_is_in_force_until_a_source_speaks(
    cast: Any, bundle: MakeBundle, clock: Any
) -> None:
    cast.store.restore(bundle("1", "2"), clock.now - 600)
    assert cast.keys == {"1", "2"}
    assert cast.changes == [{"1", "2"}]
    assert cast.store.confirmed_at == clock.now - 600
    a = cast.join("A")
    await a.lose()
    await a.refuse()
    assert cast.keys == {"1", "2"}
    assert cast.store.confirmed_at == clock.now - 600
    await a.tell(bundle("2"))
    assert cast.keys == {"2"}
    assert cast.store.confirmed_at == clock.now


async def test_a_restored_empty_bundle_is_a_bundle(
    cast: Any, bundle: MakeBundle, clock: Any
) -> None:
    """It was revoked before the restart, and stays so."""
    cast.store.restore(bundle(), clock.now - 600)
    assert cast.keys == set()
    assert cast.changes == [set()]


async def test_a_copy_from_the_future_is_not_believed(
    cast: Any, bundle: MakeBundle, clock: Any
) -> None:
    cast.store.restore(bundle("1"), clock.now + 86_400)
    assert cast.store.confirmed_at == clock.now


async def test_a_removed_source_leaves_its_keys(cast: Any, bundle: MakeBundle, clock: Any) -> None:
    a = cast.join("A")
    await a.tell(bundle("1"))
    await cast.leave("A")
    removed_at = clock.now
    assert a.ended
    assert cast.keys == {"1"}
    assert cast.store.statuses() == ()
    clock.advance(60)
    assert cast.store.confirmed_at == removed_at
    await cast.join("C").tell(bundle("2"))
    assert cast.keys == {"2"}


async def test_a_removed_source_leaves_no_revoked_key(cast: Any, bundle: MakeBundle) -> None:
    a, b = cast.join("A"), cast.join("B")
    await a.tell(bundle("1", "2"))
    await b.tell(bundle("1", "2"))
    await b.tell(bundle("2"))
    assert cast.keys == {"1", "2"}
    await cast.leave("A")
    assert cast.keys == {"2"}


async def test_a_source_that_is_configured_anew_starts_anew(cast: Any, bundle: MakeBundle) -> None:
    await cast.join("A").tell(bundle("1"))
    await cast.leave("A")
    again = cast.join("A")
    await asyncio.sleep(0)
    assert cast.keys == {"1"}
    assert cast.store.statuses()[0].received_at is None
    await again.tell(bundle("2"))
    assert cast.keys == {"2"}


async def test_a_source_that_ends_is_lost_for_good(
    cast: Any, bundle: MakeBundle, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    a = cast.join("A")
    await a.tell(bundle("1"))
    with caplog.at_level(logging.ERROR):
        await a.end(BridgeError("unimplemented"))
        await cast.tasks["A"]
    (status,) = cast.store.statuses()
    assert not status.state.connected
    assert status.state.last_error is not None
    assert cast.keys == {"1"}
    assert [record.getMessage() for record in caplog.records] == ["source has ended"]


async def test_a_source_that_breaks_does_not_seem_connected(
    cast: Any, bundle: MakeBundle, clock: Any
) -> None:
    a = cast.join("A")
    await a.tell(bundle("1"))
    broken_at = clock.now
    await a.end(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        await cast.tasks["A"]
    assert not cast.store.statuses()[0].state.connected
    clock.advance(60)
    assert cast.store.confirmed_at == broken_at


async def test_a_listener_that_breaks_leaves_no_source_open(cast: Any, bundle: MakeBundle) -> None:
    def broken(_: Bundle) -> None:
        raise RuntimeError("a bug")

    cast.store._on_change = broken
    a = cast.join("A")
    await a.tell(bundle("1"))
    with pytest.raises(RuntimeError):
        await cast.tasks["A"]
    assert a.ended


async def test_a_failure_is_logged_once_and_not_at_each_retry(
    cast: Any, bundle: MakeBundle, caplog: pytest.LogCaptureFixture
) -> None:
    a = cast.join("A")
    with caplog.at_level(logging.INFO, "spire_bridge"):
        for _ in range(5):
            await a.lose()
        await a.tell(bundle("1"))
        for _ in range(5):
            await a.refuse()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "source is not connected"),
        ("INFO", "source is connected"),
        ("WARNING", "source's answer was refused; its last good bundle stays"),
    ]
    assert {r.source for r in caplog.records} == {"A"}  # type: ignore[attr-defined]
