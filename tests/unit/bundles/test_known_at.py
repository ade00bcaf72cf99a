"""As of when a bundle is known to be the trust domain's: what publishers compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from spire_bridge.bundles.store import SETTLING_SECONDS
from spire_bridge.spiffe.bundle import Bundle

if TYPE_CHECKING:
    from bundles.conftest import Cast, Clock

MakeBundle = Callable[..., Bundle]


async def test_nobody_has_told_anything(cast: Cast, clock: Clock) -> None:
    cast.join("A")
    assert cast.store.known_at(clock()) is None


async def test_a_first_word_may_be_old_until_it_has_stood(
    cast: Cast, clock: Clock, bundle: MakeBundle
) -> None:
    told_at = clock()
    await cast.join("A").tell(bundle("1"))
    assert cast.store.known_at(told_at) == told_at - SETTLING_SECONDS
    assert cast.store.known_at(told_at + 9.9) == told_at - SETTLING_SECONDS
    assert cast.store.known_at(told_at + SETTLING_SECONDS) == told_at
    assert cast.store.known_at(told_at + 3600) == told_at  # an agent may have lost its server


async def test_a_change_on_a_standing_connection_is_news(
    cast: Cast, clock: Clock, bundle: MakeBundle
) -> None:
    source = cast.join("A")
    await source.tell(bundle("1"))
    clock.now += 1
    await source.tell(bundle("1", "2"))
    news_at = clock()
    assert cast.store.known_at(news_at) == news_at
    clock.now += 5
    await source.tell(bundle("1", "2"))  # the same again
    assert cast.store.known_at(clock()) == news_at


async def test_a_lagging_agents_first_word_is_older_than_anothers_news(
    cast: Cast, clock: Clock, bundle: MakeBundle, new_cast: Callable[[], Cast]
) -> None:
    source = cast.join("A")
    await source.tell(bundle("1"))
    clock.now += 60
    await source.tell(bundle("1", "2"))
    late = new_cast()
    clock.now += 3
    lagging = late.join("B")
    await lagging.tell(bundle("1"))
    mine, theirs = cast.store.known_at(clock()), late.store.known_at(clock())
    assert mine is not None
    assert theirs is not None
    assert theirs < mine
    clock.now += 1
    await lagging.tell(bundle("1", "2"))
    assert late.store.known_at(clock()) == clock()
    await late.close()


async def test_coming_back_with_the_same_is_no_news_but_never_makes_it_older(
    cast: Cast, clock: Clock, bundle: MakeBundle
) -> None:
    source = cast.join("A")
    await source.tell(bundle("1"))
    clock.now += 1
    await source.tell(bundle("1", "2"))
    news_at = clock()
    await source.lose()
    assert cast.store.known_at(clock()) == news_at
    clock.now += 2
    await source.tell(bundle("1", "2"))
    assert cast.store.known_at(clock()) == news_at
    assert cast.store.known_at(clock() + SETTLING_SECONDS) == clock()


async def test_a_server_knows_at_any_time(cast: Cast, clock: Clock, bundle: MakeBundle) -> None:
    server = cast.join("server", authoritative=True)
    await server.tell(bundle("1"))
    assert cast.store.known_at(clock()) == clock()
    clock.now += 100
    assert cast.store.known_at(clock()) == clock()
    await server.lose()
    lost_at = clock()
    clock.now += 100
    assert cast.store.known_at(clock()) == lost_at


async def test_a_change_that_follows_from_a_loss_is_as_new_as_what_stands(
    cast: Cast, clock: Clock, bundle: MakeBundle
) -> None:
    first, second = cast.join("A"), cast.join("B")
    await first.tell(bundle("1", "2"))
    await second.tell(bundle("1", "2"))
    clock.now += 1
    await second.tell(bundle("2"))
    assert cast.keys == {"1", "2"}
    clock.now += 3600
    await first.lose()
    assert cast.keys == {"2"}
    assert cast.store.known_at(clock()) == clock() - SETTLING_SECONDS


async def test_a_last_good_copy_is_as_old_as_it_is(
    cast: Cast, clock: Clock, bundle: MakeBundle
) -> None:
    cast.store.restore(bundle("1"), clock() - 500)
    assert cast.store.known_at(clock()) == clock() - 500
