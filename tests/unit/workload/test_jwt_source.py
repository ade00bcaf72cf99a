"""The JWT-SVID cache, over a counting client and a clock to drive, and over the sandbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, cast

import pytest

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.jwt_authority import JwtAuthority, KeyType
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.id import InvalidSpiffeId, SpiffeId
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.rpc_errors import (
    Canceled,
    InvalidArgument,
    PermissionDenied,
    Unavailable,
)
from spire_bridge.workload import jwt_source
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.errors import HintNotFound
from spire_bridge.workload.jwt_source import JwtSource

WEB, EXTERNAL = "spiffe://example.org/web", "spiffe://example.org/external"
TTL = 300
Eventually = Callable[..., Awaitable[Any]]


class CountingClient:
    """Stands for a client: makes tokens by a clock, and notes every fetch."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.fetches: list[tuple[frozenset[str], str | None]] = []
        self.identities = {WEB: "", EXTERNAL: "external"}
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.ttl = TTL
        self._authority = JwtAuthority(clock, key_type=KeyType.EC_P256)

    async def fetch_jwt_svids(
        self, audience: Iterable[str], *, spiffe_id: SpiffeId | None = None
    ) -> tuple[UnverifiedJwtSvid, ...]:
        wanted = str(spiffe_id) if spiffe_id else None
        self.fetches.append((frozenset(audience), wanted))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        names = [name for name in self.identities if wanted in (None, name)]
        if not names:
            raise PermissionDenied("no identity issued")
        return tuple(self._token(name, audience) for name in names)

    def _token(self, name: str, audience: Iterable[str]) -> UnverifiedJwtSvid:
        issued = self._authority.issue(name, list(audience), self.ttl)
        return UnverifiedJwtSvid.parse(issued.token, hint=self.identities[name])


@pytest.fixture
def fake(clock: Any) -> CountingClient:
    return CountingClient(clock)


@pytest.fixture
async def source(
    fake: CountingClient, clock: Any, monkeypatch: pytest.MonkeyPatch, tasks_left: None
) -> AsyncIterator[JwtSource]:
    """A source that looks at the clock often, since tests turn it."""
    monkeypatch.setattr(jwt_source, "TICK_SECONDS", 0.005)
    async with JwtSource(cast("WorkloadClient", fake), clock=clock) as source:
        yield source


def held(source: JwtSource) -> list[tuple[frozenset[str], str]]:
    return [(key.audience, str(e.svid.spiffe_id)) for key, e in source._entries.items()]


async def test_a_token_is_fetched_once(source: JwtSource, fake: CountingClient) -> None:
    first = await source.get("db")
    assert await source.get("db") is first
    assert str(first.spiffe_id) == WEB
    assert len(fake.fetches) == 1


async def test_the_audience_is_a_set(source: JwtSource, fake: CountingClient) -> None:
    first = await source.get(["db", "cache"])
    assert await source.get(["cache", "db", "cache"]) is first
    assert await source.get(("cache", "db")) is first
    assert len(fake.fetches) == 1
    assert await source.get("db") is not first
    assert len(fake.fetches) == 2


async def test_the_id_is_part_of_the_key(source: JwtSource, fake: CountingClient) -> None:
    first = await source.get("db", spiffe_id=EXTERNAL)
    assert await source.get("db", spiffe_id=SpiffeId.parse(EXTERNAL)) is first
    assert len(fake.fetches) == 1
    default = await source.get("db")
    assert str(default.spiffe_id) == WEB
    assert len(fake.fetches) == 2


async def test_a_hint_is_resolved_once(source: JwtSource, fake: CountingClient) -> None:
    svid = await source.get("db", hint="external")
    assert str(svid.spiffe_id) == EXTERNAL
    assert await source.get("db", hint="external") is svid
    assert await source.get("db", spiffe_id=EXTERNAL) is svid
    assert fake.fetches == [(frozenset({"db"}), None)]
    await source.get("cache", hint="external")
    assert fake.fetches[1:] == [(frozenset({"cache"}), EXTERNAL)]


async def test_only_what_was_asked_for_is_kept(source: JwtSource) -> None:
    await source.get("db", hint="external")
    assert held(source) == [(frozenset({"db"}), EXTERNAL)]


async def test_an_unknown_hint(source: JwtSource, fake: CountingClient) -> None:
    for _ in range(2):
        with pytest.raises(HintNotFound) as caught:
            await source.get("db", hint="internal")
        assert caught.value.exit_status == 3
    assert held(source) == []
    fake.identities["spiffe://example.org/internal"] = "internal"
    assert str((await source.get("db", hint="internal")).spiffe_id).endswith("/internal")


@pytest.mark.parametrize("options", [{}, {"spiffe_id": WEB}, {"hint": "external"}])
async def test_sixteen_callers_share_one_fetch(
    source: JwtSource, fake: CountingClient, options: dict[str, str]
) -> None:
    fake.gate.clear()
    callers = [asyncio.ensure_future(source.get("db", **options)) for _ in range(16)]
    await asyncio.sleep(0.02)
    fake.gate.set()
    tokens = {svid.token for svid in await asyncio.gather(*callers)}
    assert len(tokens) == 1
    assert len(fake.fetches) == 1


async def test_sixteen_callers_share_one_failure_and_the_next_tries_again(
    source: JwtSource, fake: CountingClient
) -> None:
    fake.error = Unavailable("away")
    fake.gate.clear()
    callers = [asyncio.ensure_future(source.get("db")) for _ in range(16)]
    await asyncio.sleep(0.02)
    fake.gate.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert len(fake.fetches) == 1
    fake.error = None
    assert await source.get("db")


async def test_a_cancelled_caller_does_not_cancel_the_others(
    source: JwtSource, fake: CountingClient
) -> None:
    fake.gate.clear()
    first, second = (asyncio.ensure_future(source.get("db")) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    fake.gate.set()
    assert await second
    assert len(fake.fetches) == 1


async def test_a_fetch_whose_only_caller_has_left_is_kept(
    source: JwtSource, fake: CountingClient, eventually: Eventually
) -> None:
    fake.gate.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.get("db"), 0.01)
    fake.gate.set()
    await eventually(lambda: held(source))
    await source.get("db")
    assert len(fake.fetches) == 1


async def test_a_failed_fetch_that_nobody_waits_for_makes_no_noise(
    source: JwtSource, fake: CountingClient
) -> None:
    fake.gate.clear()
    fake.error = Unavailable("away")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.get("db"), 0.01)
    fake.gate.set()
    await asyncio.sleep(0.01)


async def test_a_token_is_renewed_at_half_of_its_life(
    source: JwtSource, fake: CountingClient, clock: Any, eventually: Eventually
) -> None:
    first = await source.get("db")
    clock.advance(TTL / 2 - 1)
    await asyncio.sleep(0.03)
    assert len(fake.fetches) == 1
    clock.advance(1)
    await eventually(lambda: len(fake.fetches) == 2)
    await asyncio.sleep(0.01)
    second = await source.get("db")
    assert second.expires_at == first.expires_at + TTL / 2
    assert len(fake.fetches) == 2


async def test_the_half_is_that_of_the_remaining_life(
    source: JwtSource, fake: CountingClient, clock: Any, eventually: Eventually
) -> None:
    """An agent hands out the same token until half of its life is over."""
    svid = fake._token(WEB, ["db"])
    clock.advance(100)
    source._keep(jwt_source._Key(frozenset({"db"}), None), svid)
    clock.advance(99)
    await asyncio.sleep(0.03)
    assert fake.fetches == []
    clock.advance(1)
    await eventually(lambda: fake.fetches)


async def test_a_short_lived_token_is_renewed_in_time_by_real_clocks(
    workload: Workload, client: WorkloadClient, eventually: Eventually
) -> None:
    workload.deregister("spiffe://example.org/workload")
    workload.register(Entry("spiffe://example.org/short", jwt_ttl_seconds=3))
    async with JwtSource(client) as source:
        first = await source.get("db")
        entry = next(iter(source._entries.values()))
        assert entry.renew_at - first.expires_at < -1
        await eventually(lambda: next(iter(source._entries.values())).svid is not first, within=2.9)


async def test_waking_up_after_a_suspension_never_gives_an_expired_token(
    source: JwtSource, fake: CountingClient, clock: Any, eventually: Eventually
) -> None:
    first = await source.get("db")
    clock.advance(8 * 3600)
    second = await source.get("db")
    assert second.expires_at > clock.now > first.expires_at
    clock.advance(8 * 3600)
    await eventually(lambda: held(source) == [])
    fake.error = Unavailable("away")
    with pytest.raises(Unavailable):
        await source.get("db")


async def test_a_token_that_expires_this_second_is_not_given(
    fake: CountingClient, clock: Any, tasks_left: None
) -> None:
    source = JwtSource(cast("WorkloadClient", fake), clock=clock)  # nothing renews it
    first = await source.get("db")
    clock.now = first.expires_at - 0.001
    assert await source.get("db") is first
    clock.now = first.expires_at
    assert await source.get("db") is not first


async def test_a_clock_set_back_is_no_trouble(
    source: JwtSource, fake: CountingClient, clock: Any
) -> None:
    first = await source.get("db")
    clock.advance(-86_400)
    await asyncio.sleep(0.02)
    assert await source.get("db") is first


async def test_an_unavailable_agent_leaves_a_valid_token_and_is_asked_ever_more_rarely(
    source: JwtSource,
    fake: CountingClient,
    clock: Any,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = await source.get("db")
    fake.error = Unavailable("away")
    clock.advance(TTL / 2)
    with caplog.at_level(logging.WARNING):
        await eventually(lambda: len(fake.fetches) == 2)
        await asyncio.sleep(0.05)
    assert len(fake.fetches) == 2
    assert len(caplog.records) == 1
    assert caplog.records[0].code == "UNAVAILABLE"  # type: ignore[attr-defined]
    assert await source.get("db") is first
    for seconds, fetches in ((1, 3), (2, 4), (4, 5)):
        clock.advance(seconds)
        await eventually(lambda wanted=fetches: len(fake.fetches) == wanted)
        await asyncio.sleep(0.02)
        assert len(fake.fetches) == fetches
    fake.error = None
    clock.advance(8)
    await eventually(lambda: len(fake.fetches) == 6)
    await asyncio.sleep(0.01)
    assert await source.get("db") is not first


@pytest.mark.parametrize("error", [InvalidArgument("no"), RuntimeError("a bug")])
async def test_any_failed_renewal_leaves_a_valid_token_and_no_storm(
    source: JwtSource,
    fake: CountingClient,
    clock: Any,
    eventually: Eventually,
    error: Exception,
) -> None:
    first = await source.get("db")
    fake.error = error
    clock.advance(TTL / 2)
    await eventually(lambda: len(fake.fetches) == 2)
    await asyncio.sleep(0.05)
    assert len(fake.fetches) == 2
    assert await source.get("db") is first


async def test_a_renewal_that_hangs_is_not_started_twice(
    source: JwtSource, fake: CountingClient, clock: Any, eventually: Eventually
) -> None:
    first = await source.get("db")
    fake.gate.clear()
    clock.advance(TTL / 2)
    await eventually(lambda: len(fake.fetches) == 2)
    for _ in range(5):
        clock.advance(5)
        await asyncio.sleep(0.01)
    assert len(fake.fetches) == 2
    assert await source.get("db") is first


async def test_a_denied_token_is_dropped_at_once(
    source: JwtSource, fake: CountingClient, clock: Any, eventually: Eventually
) -> None:
    await source.get("db", spiffe_id=WEB)
    del fake.identities[WEB]
    clock.advance(TTL / 2)
    await eventually(lambda: held(source) == [])
    with pytest.raises(PermissionDenied):
        await source.get("db", spiffe_id=WEB)


async def test_a_denied_identity_loses_its_tokens_for_every_audience(
    source: JwtSource, fake: CountingClient
) -> None:
    await source.get("db")
    await source.get("db", spiffe_id=WEB)
    await source.get("cache", spiffe_id=WEB)
    await source.get("db", hint="external")
    del fake.identities[WEB]
    with pytest.raises(PermissionDenied):
        await source.get("queue", spiffe_id=WEB)
    assert held(source) == [(frozenset({"db"}), EXTERNAL)]


async def test_a_workload_without_any_identity_left_loses_everything(
    source: JwtSource, fake: CountingClient
) -> None:
    await source.get("db")
    await source.get("db", hint="external")
    fake.identities.clear()
    with pytest.raises(PermissionDenied):
        await source.get("queue")
    assert held(source) == []
    assert source._ids_by_hint == {}


async def test_a_hint_of_a_denied_identity_is_resolved_anew(
    source: JwtSource, fake: CountingClient
) -> None:
    await source.get("db", hint="external")
    del fake.identities[EXTERNAL]
    fake.identities["spiffe://example.org/moved"] = "external"
    with pytest.raises(PermissionDenied):
        await source.get("cache", hint="external")
    assert str((await source.get("cache", hint="external")).spiffe_id).endswith("/moved")


async def test_the_least_recently_used_token_makes_room(
    source: JwtSource,
    fake: CountingClient,
    clock: Any,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jwt_source, "MAX_ENTRIES", 3)
    for name in "abc":
        await source.get(name)
    await source.get("a")
    await source.get("d")
    assert held(source) == [(frozenset({name}), WEB) for name in "cad"]
    # Being renewed is no use.
    clock.advance(TTL / 2)
    await eventually(lambda: len(fake.fetches) == 7)
    await asyncio.sleep(0.01)
    await source.get("e")
    assert held(source) == [(frozenset({name}), WEB) for name in "ade"]


async def test_the_bound_is_a_thousand_and_twenty_four(source: JwtSource) -> None:
    key = jwt_source._Key(frozenset({"db"}), None)
    svid = await source.get("db")
    for number in range(2000):
        source._keep(key._replace(audience=frozenset({str(number)})), svid)
    assert len(held(source)) == jwt_source.MAX_ENTRIES == 1024


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"audience": ""}, InvalidArgument), ({"audience": []}, InvalidArgument)],
)
async def test_wrong_arguments(source: JwtSource, arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await source.get(**arguments)
    with pytest.raises(InvalidSpiffeId):
        await source.get("db", spiffe_id="web")


async def test_closing_leaves_no_task_and_tells_who_waits(
    fake: CountingClient, clock: Any, tasks_left: None
) -> None:
    async with JwtSource(cast("WorkloadClient", fake), clock=clock) as source:
        await source.get("db")
        fake.gate.clear()
        waiting = [
            asyncio.ensure_future(source.get("cache")),
            asyncio.ensure_future(source.get("cache", hint="external")),
        ]
        await asyncio.sleep(0.01)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Canceled, Canceled]
    assert not source._fetches


# Over the sandbox.


async def test_renewal_over_the_wire(workload: Workload, tasks_left: None) -> None:
    async with WorkloadClient(workload.address) as client, JwtSource(client) as source:
        first = await source.get("db")
        workload.fault = Fault.UNAVAILABLE
        assert await source.get("db") is first
        with pytest.raises(Unavailable):
            await source.get("cache")
        workload.fault = Fault.PERMISSION_DENIED
        with pytest.raises(PermissionDenied):
            await source.get("cache")
        assert held(source) == []


async def test_an_agent_that_comes_back(
    workload: Workload, cluster: Cluster, client: WorkloadClient, eventually: Eventually
) -> None:
    async with JwtSource(client) as source:
        await cluster.stop()
        with pytest.raises(Unavailable):
            await source.get("db")
        await cluster.start()
        for _ in range(100):
            try:
                await source.get("db")
            except Unavailable:
                await asyncio.sleep(0.02)
        assert held(source)
