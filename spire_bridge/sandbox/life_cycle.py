"""The life of a signing key: prepared, active, old, tainted, revoked — SPIRE's cycle.

A prepared key is published and signs nothing yet; activating it makes the active key an
old one, which stays published until it is revoked or pruned. Tainting declares an old key
compromised, so that agents replace what it signed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Generic, TypeVar

from spire_bridge.sandbox.errors import SandboxError

# As SPIRE does: the next key is made at half of the active one's life, takes over when a
# sixth is left, and an expired key leaves the bundle a day later.
PREPARE_AT = 1 / 2
ACTIVATE_AT = 5 / 6
PRUNE_AFTER_SECONDS = 86_400

DEFAULT_TTL_SECONDS = 86_400


class KeyState(StrEnum):
    PREPARED = "prepared"
    ACTIVE = "active"
    OLD = "old"
    TAINTED = "tainted"


@dataclass(frozen=True, slots=True)
class AuthorityKey:
    """A key of the trust domain; times are seconds since the epoch."""

    key_id: str
    issued_at: int
    expires_at: int

    def age(self, now: float) -> float:
        """The part of its life that is over: 0 when issued, 1 at expiry."""
        return (now - self.issued_at) / (self.expires_at - self.issued_at)


K = TypeVar("K", bound=AuthorityKey)


class Authority(ABC, Generic[K]):
    """The keys of one kind; starts with one active key.

    `on_change` is called after every change, with the authority in its new state. A change
    that the life cycle does not allow raises `SandboxError`.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        ttl_seconds: int = DEFAULT_TTL_SECONDS,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.clock = clock
        self._ttl_seconds = ttl_seconds
        self._on_change = on_change
        self._keys: dict[str, K] = {}
        self._states: dict[str, KeyState] = {}
        self._add(KeyState.ACTIVE)

    @abstractmethod
    def _generate(self, issued_at: int, expires_at: int) -> K: ...

    @property
    def keys(self) -> tuple[K, ...]:
        """The published keys, oldest first."""
        return tuple(self._keys.values())

    @property
    def states(self) -> Mapping[str, KeyState]:
        """The state of each published key, by its ID."""
        return MappingProxyType(self._states)

    @property
    def current(self) -> K | None:
        """The key that signs; None after it was revoked."""
        return self._in_state(KeyState.ACTIVE)

    @property
    def prepared(self) -> K | None:
        """The key that signs next, if there is one."""
        return self._in_state(KeyState.PREPARED)

    def prepare(self) -> str:
        """Publishes a new key and returns its ID.

        A key prepared before it stays published, but cannot be activated any more.
        """
        if self.prepared is not None:
            self._states[self.prepared.key_id] = KeyState.OLD
        key = self._add(KeyState.PREPARED)
        self._on_change()
        return key.key_id

    def activate(self, key_id: str | None = None) -> None:
        """Signs with the prepared key from now on; `key_id`, if given, must be its ID."""
        prepared = self.prepared
        if prepared is None or key_id not in {None, prepared.key_id}:
            raise SandboxError(
                "only the prepared key can be activated", hint="call prepare() first"
            )
        if self.current is not None:
            self._states[self.current.key_id] = KeyState.OLD
        self._states[prepared.key_id] = KeyState.ACTIVE
        self._on_change()

    def taint(self, key_id: str) -> None:
        """Declares an old key compromised: agents replace what it signed."""
        if self._state(key_id) is not KeyState.OLD:
            raise SandboxError(f"only an old key can be tainted: {key_id} is not one")
        self._states[key_id] = KeyState.TAINTED
        self._on_change()

    def revoke(self, key_id: str) -> None:
        """Takes a key out of the bundle, whatever its state.

        SPIRE wants it tainted first and never gives up its last key; here the bundle can
        become empty, which authenticated consumers have to obey.
        """
        self._state(key_id)
        self._remove(key_id)
        self._on_change()

    def prune(self) -> None:
        """Takes out the keys that expired more than a day ago."""
        if self._prune():
            self._on_change()

    def tick(self) -> None:
        """Does what is due by the clock: prepare, activate, prune.

        A trust domain whose keys were all revoked stays without until `prepare`.
        """
        current, now = self.current, self.clock()
        if current is not None and current.age(now) >= PREPARE_AT and self.prepared is None:
            self.prepare()
        if current is not None and current.age(now) >= ACTIVATE_AT:
            self.activate()
        self.prune()

    def _add(self, state: KeyState) -> K:
        issued_at = int(self.clock())
        key = self._generate(issued_at, issued_at + self._ttl_seconds)
        self._keys[key.key_id] = key
        self._states[key.key_id] = state
        return key

    def _remove(self, key_id: str) -> None:
        del self._keys[key_id], self._states[key_id]

    def _prune(self) -> bool:
        limit = self.clock() - PRUNE_AFTER_SECONDS
        expired = [key.key_id for key in self.keys if key.expires_at < limit]
        for key_id in expired:
            self._remove(key_id)
        return bool(expired)

    def _in_state(self, state: KeyState) -> K | None:
        return next((self._keys[i] for i, s in self._states.items() if s is state), None)

    def _state(self, key_id: str) -> KeyState:
        try:
            return self._states[key_id]
        except KeyError:
            raise SandboxError(f"no key has the ID {key_id!r}") from None
