"""Delays that double, end at a maximum and are spread at random."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.transport.backoff import Backoff


def delays(backoff: Backoff, number: int) -> list[float]:
    return [backoff.next_delay() for _ in range(number)]


def test_delays_double_up_to_the_maximum() -> None:
    backoff = Backoff(initial=0.25, maximum=3.0, jitter=lambda: 1.0)
    assert delays(backoff, 6) == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_reset_starts_over() -> None:
    backoff = Backoff(initial=0.25, jitter=lambda: 1.0)
    delays(backoff, 5)
    backoff.reset()
    assert delays(backoff, 2) == [0.25, 0.5]


def test_jitter_takes_away_up_to_half() -> None:
    assert Backoff(initial=1.0, jitter=lambda: 0.0).next_delay() == 0.5
    assert Backoff(initial=1.0, jitter=lambda: 0.5).next_delay() == 0.75


def test_many_clients_do_not_come_back_together() -> None:
    assert len({Backoff().next_delay() for _ in range(100)}) > 90


def test_a_year_of_failures_overflows_nothing() -> None:
    backoff = Backoff(jitter=lambda: 1.0)
    assert set(delays(backoff, 10_000)[10:]) == {30.0}


@given(
    st.floats(0.001, 10),
    st.floats(0.001, 100),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=20),
)
def test_every_delay_is_between_half_and_all_of_its_ceiling(
    initial: float, maximum: float, jitter: list[float]
) -> None:
    values = iter(jitter)
    backoff = Backoff(initial=initial, maximum=maximum, jitter=lambda: next(values))
    for attempt in range(len(jitter)):
        ceiling = min(maximum, initial * 2.0**attempt)
        assert ceiling / 2 <= backoff.next_delay() <= ceiling


@pytest.mark.parametrize("jitter", [0.0, 0.999])
def test_with_one_jitter_delays_never_shrink(jitter: float) -> None:
    assert all(a <= b for a, b in pairwise(delays(Backoff(jitter=lambda: jitter), 20)))
