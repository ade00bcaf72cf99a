"""A server's word overrides what its agents tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.jwt_bundle import JwtBundle

MakeBundle = Callable[..., Bundle]

# Each step is a source (S is the server), its word or "lost", and the combined keys then.
SEQUENCES: dict[str, list[tuple[str, str, str]]] = {
    "an agent that lags brings nothing back": [
        ("A", "12", "12"),
        ("S", "2", "2"),
        ("A", "12", "2"),
    ],
    "a key that agents have not heard of": [("A", "1", "1"), ("S", "12", "12"), ("A", "1", "12")],
    "an empty word of the server": [("A", "1", "1"), ("S", "-", "-"), ("A", "1", "-")],
    "the server is lost": [("S", "12", "12"), ("S", "lost", "12")],
    "what it dropped stays out": [
        ("A", "12", "12"),
        ("S", "12", "12"),
        ("S", "2", "2"),
        ("S", "lost", "2"),
        ("A", "123", "23"),
    ],
    "agents go on without it": [
        ("S", "1", "1"),
        ("A", "1", "1"),
        ("S", "lost", "1"),
        ("A", "12", "12"),
        ("A", "2", "2"),
    ],
    "it comes back": [("S", "1", "1"), ("S", "lost", "1"), ("A", "12", "12"), ("S", "1", "1")],
}


@pytest.mark.parametrize("steps", SEQUENCES.values(), ids=SEQUENCES.keys())
async def test_a_server_and_an_agent(
    cast: Any, bundle: MakeBundle, steps: list[tuple[str, str, str]]
) -> None:
    sources = {}
    for name, event, expected in steps:
        if name not in sources:
            sources[name] = cast.join(name, authoritative=name == "S")
        if event == "lost":
            await sources[name].lose()
        else:
            await sources[name].tell(bundle(*event.strip("-")))
        assert set(cast.store.bundle.jwt.authorities) == set(expected.strip("-")), (name, event)


async def test_an_agent_that_still_tells_a_dropped_key_lags(cast: Any, bundle: MakeBundle) -> None:
    agent, server = cast.join("agent"), cast.join("server", authoritative=True)
    await agent.tell(bundle("old", "new"))
    await server.tell(bundle("new"))

    lagging = {s.name: (s.lagging, s.missing, s.stale) for s in cast.store.statuses()}
    assert lagging == {"agent": (True, (), ("old",)), "server": (False, (), ())}


@pytest.mark.parametrize("first", ["agent", "server"])
async def test_what_the_server_knows_of_a_key_is_kept(
    cast: Any, bundle: MakeBundle, first: str
) -> None:
    plain = bundle("key")
    authority = replace(plain.jwt.authorities["key"], expires_at=2_000_000_000, tainted=True)
    told = replace(plain, jwt=JwtBundle.of(plain.trust_domain, [authority]))
    agent, server = cast.join("agent"), cast.join("server", authoritative=True)
    for source, word in sorted(((agent, plain), (server, told)), key=lambda s: s[0].name != first):
        await source.tell(word)
    assert cast.store.bundle.jwt.authorities["key"] == authority

    await server.lose()
    assert cast.store.bundle.jwt.authorities["key"] == authority


async def test_the_servers_key_is_the_key_of_its_id(cast: Any, bundle: MakeBundle) -> None:
    agent, server = cast.join("agent"), cast.join("server", authoritative=True)
    await agent.tell(bundle("key", other_keys="key"))
    await server.tell(bundle("key"))

    assert cast.store.bundle.jwt == bundle("key").jwt

    await agent.tell(bundle("key", "more", other_keys="key"))
    status = next(s for s in cast.store.statuses() if s.name == "agent")
    assert status.state.last_error is not None
    assert status.state.last_error.code == "BUNDLE_INVALID"


async def test_a_refusal_of_the_store_outlives_the_sources_next_report(
    cast: Any, bundle: MakeBundle
) -> None:
    first, second = cast.join("first"), cast.join("second")
    await first.tell(bundle("key"))
    await second.tell(bundle("key", other_keys="key"))
    await second.connect()  # as a source does that is looked at again

    def error() -> BridgeError | None:
        return next(s for s in cast.store.statuses() if s.name == "second").state.last_error

    assert error() is not None
    await second.tell(bundle("key"))
    assert error() is None
