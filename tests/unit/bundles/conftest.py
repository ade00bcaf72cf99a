"""A clock to drive, keys by name, and a source that says what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.bundles.source import SourceState, StateListener
from spire_bridge.bundles.store import BundleStore
from spire_bridge.errors import BridgeError
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle

HOME = TrustDomain("example.org")


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@cache
def public_key(name: str) -> PublicKey:
    return PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())


def make_bundle(*key_ids: str, other_keys: str = "") -> Bundle:
    """A bundle with these keys; those in `other_keys` are others of the same ID."""
    authorities = [
        JwtAuthority(name, public_key(f"{name}'" if name in other_keys else name))
        for name in key_ids
    ]
    return Bundle(HOME, JwtBundle.of(HOME, authorities), X509Bundle(HOME))


class ScriptedSource:
    """A source that passes on the events it is given, each before `send` returns."""

    def __init__(
        self, name: str, clock: Callable[[], float], *, authoritative: bool = False
    ) -> None:
        self.name = name
        self.authoritative = authoritative
        self.ended = False
        self._clock = clock
        self._events: asyncio.Queue[Any] = asyncio.Queue()

    async def watch(self, on_state: StateListener) -> AsyncIterator[Bundle]:
        try:
            while True:
                event = await self._events.get()
                match event:
                    case SourceState():
                        on_state(event)
                    case Bundle():
                        yield event
                    case BaseException():
                        raise event
                self._events.task_done()
        finally:
            self.ended = True
            if self._events._unfinished_tasks:  # type: ignore[attr-defined]
                self._events.task_done()

    async def send(self, event: Any) -> None:
        self._events.put_nowait(event)
        await self._events.join()

    async def connect(self) -> None:
        await self.send(SourceState(True, self._clock()))

    async def tell(self, bundle: Bundle) -> None:
        await self.connect()
        await self.send(bundle)

    async def lose(self) -> None:
        await self.send(SourceState(False, self._clock(), BridgeError("lost")))

    async def refuse(self) -> None:
        """The connection stands, and an answer was refused."""
        await self.send(SourceState(True, self._clock(), BridgeError("refused")))

    async def end(self, error: BaseException) -> None:
        await self.send(error)


class Cast:
    """A store, its sources, and every bundle that it has announced."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.changes: list[set[str]] = []
        self.states = 0
        self.store = BundleStore(
            HOME,
            on_change=lambda bundle: self.changes.append(set(bundle.jwt.authorities)),
            on_state=self._count,
            clock=clock,
        )
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def _count(self) -> None:
        self.states += 1

    def join(self, name: str, *, authoritative: bool = False) -> ScriptedSource:
        source = ScriptedSource(name, self.clock, authoritative=authoritative)
        self.tasks[name] = asyncio.create_task(self.store.follow(source))  # type: ignore[arg-type]
        return source

    async def leave(self, name: str) -> None:
        task = self.tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.store.remove(name)

    async def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    @property
    def keys(self) -> set[str] | None:
        bundle = self.store.bundle
        return set(bundle.jwt.authorities) if bundle is not None else None


@pytest.fixture
async def cast(clock: Clock) -> AsyncIterator[Cast]:
    members = Cast(clock)
    yield members
    await members.close()


@pytest.fixture
def new_cast(clock: Clock) -> Callable[[], Cast]:
    return lambda: Cast(clock)


@pytest.fixture
def bundle() -> Callable[..., Bundle]:
    return make_bundle
