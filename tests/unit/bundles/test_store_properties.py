"""What holds for every sequence of events, checked against a model that is as simple as can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spire_bridge.spiffe.bundle import Bundle

SOURCES, KEYS = "ABC", "1234"
EVENTS = st.one_of(
    st.tuples(st.just("tell"), st.sampled_from(SOURCES), st.frozensets(st.sampled_from(KEYS))),
    st.tuples(
        st.sampled_from(["lose", "connect", "refuse", "replace"]),
        st.sampled_from(SOURCES),
        st.just(frozenset()),
    ),
)


@dataclass
class Told:
    """What one source is known to have said on its present connection, and before."""

    connected: bool = False
    keys: frozenset[str] | None = None  # None: nothing on this connection
    dropped: set[str] = field(default_factory=set)
    ever: set[str] = field(default_factory=set)


class Model:
    def __init__(self) -> None:
        self.sources = {name: Told() for name in SOURCES}

    def apply(self, event: str, name: str, keys: frozenset[str]) -> None:
        told = self.sources[name]
        match event:
            case "tell":
                told.connected, told.keys = True, keys
                told.ever |= keys
                told.dropped = told.ever - keys
            case "connect" | "refuse":
                told.connected = True
            case "lose":
                told.connected, told.keys = False, None
            case "replace":
                self.sources[name] = Told()

    @property
    def current(self) -> dict[str, frozenset[str]]:
        return {name: told.keys for name, told in self.sources.items() if told.keys is not None}

    @property
    def dropped(self) -> set[str]:
        """What a source that speaks is known to have dropped."""
        return set().union(*(self.sources[name].dropped for name in self.current))

    @property
    def told(self) -> set[str]:
        return set().union(*self.current.values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, max_size=25))
def test_invariants(
    new_cast: Callable[[], Any],
    bundle: Callable[..., Bundle],
    events: list[tuple[str, str, frozenset[str]]],
) -> None:
    asyncio.run(play(new_cast(), bundle, events))


async def play(
    cast: Any, bundle: Callable[..., Bundle], events: list[tuple[str, str, frozenset[str]]]
) -> None:
    sources = {name: cast.join(name) for name in SOURCES}
    await asyncio.sleep(0)
    model = Model()
    for event, name, keys in events:
        before = cast.keys
        match event:
            case "tell":
                await sources[name].tell(bundle(*keys))
            case "replace":
                await cast.leave(name)
                sources[name] = cast.join(name)
                await asyncio.sleep(0)
            case _:
                await getattr(sources[name], event)()
        was_lost = model.sources[name].keys is None
        repeated = model.sources[name].keys == keys
        model.apply(event, name, keys)
        check(model, event, keys, before, cast.keys, news=was_lost or not repeated or not keys)
        assert cast.changes[-1:] == ([cast.keys] if cast.keys is not None else [])
    await cast.close()


def check(
    model: Model,
    event: str,
    keys: frozenset[str],
    before: set[str] | None,
    after: set[str] | None,
    *,
    news: bool,
) -> None:
    if after is None:
        assert before is None
        assert event != "tell"
        return
    # A key that a connected source tells is in.
    assert after >= model.told
    if event == "tell":
        # Nothing enters but what was told just now.
        assert after <= (before or set()) | keys
        if news:
            # Whoever speaks ends what only the lost ones hold: revocation is not held up, and
            # an empty set that all connected sources tell empties the bundle.
            assert after == model.told
    else:
        # Nothing else brings a key in, so that none comes back through a lost source; and
        # nothing takes one out, except that a connected source is known to have dropped it.
        assert before is not None
        assert after <= before
        assert before - after <= model.dropped
    # What a connected source has dropped is in only while another one tells it.
    if event in {"lose", "replace"}:
        lost_only = after - model.told
        assert not lost_only & model.dropped or not model.current
