"""One trust domain's bundle, combined from all the sources that tell of it.

Agents of several clusters hear of a key at different times, and any of them may be away.
The rule, key by key:

- a key is in the bundle while any connected source has it;
- a source that is lost keeps its keys in, until a connected source tells of something new
  or is known to have dropped them: losing a source never removes a key by itself, and a
  lost source never outlives a revocation that another has told of;
- so a key leaves when every connected source has dropped it, and an empty set that all
  connected sources tell empties the bundle.

A source counts as connected here once it has told a bundle on its present connection: one
that comes back with answers that are refused still is a lost one. A message that repeats
the one before tells of nothing new (an agent also writes when another trust domain's
bundle has changed), unless it is empty, which revokes.

An authoritative source (SPIRE's server) overrides this: while it is connected the bundle
is what it tells, and keys that it has dropped stay out when it is lost, whatever an agent
that has not heard of it still tells.

The bundle has the sequence number and refresh hint of a source that told just these keys.

How new it is, where publishers compare, is `known_at`. A change that comes on a standing
connection is news. What is told first on a new one may be as old as an agent's interval of
synchronization (5 s by default), until it has stood for longer than that.

A source that lacks keys of the bundle, or still has keys that others have dropped, lags.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from spire_bridge.bundles.source import Source, SourceState
from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle
from spire_bridge.spiffe.x509_bundle import X509Bundle

# After this a connected agent has heard of all that was so when the connection began.
SETTLING_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What an operator wants to know of a source.

    `received_at` is when its last bundle came, in seconds since the epoch. `missing` are
    keys of the combined bundle that it does not tell of, `stale` those that another
    connected source has dropped, or that an authoritative one doesn't tell of.
    """

    name: str
    state: SourceState
    received_at: float | None
    keys: int
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def lagging(self) -> bool:
        return bool(self.missing or self.stale)


@dataclass(slots=True)
class _Record:
    state: SourceState
    authoritative: bool = False
    refusal: BridgeError | None = None  # why the store did not take what it told last
    current: bool = False  # whether it has told a bundle on its present connection
    received_at: float | None = None
    confirmed_at: float | None = None  # when its bundle was last known to be what it tells
    told: Bundle | None = None  # its last bundle, whole
    known_at: float | None = None  # as of when that is what the trust domain has
    settling_since: float | None = None  # its first word on this connection, if still unchanged
    keys: Mapping[str, JwtAuthority] = field(default_factory=dict)
    ever_told: frozenset[str] = frozenset()
    last_told: frozenset[str] = frozenset()  # by itself: `keys` can be emptied by others' news

    @property
    def dropped(self) -> frozenset[str]:
        """Keys that it once told and tells no more."""
        return self.ever_told - frozenset(self.keys)

    @property
    def withdrawn(self) -> frozenset[str]:
        """Keys that it once told and, by its own last word, tells no more."""
        return self.ever_told - self.last_told

    @property
    def confirms(self) -> bool:
        """Whether its bundle is what it tells right now."""
        return self.current and self.state.last_error is None and self.refusal is None

    def hear(self, now: float, *, is_change: bool) -> None:
        """Notes how new its word is, before it is `current`."""
        if not self.current:
            self.settling_since = now
        elif is_change:
            self.settling_since, self.known_at = None, now

    def settle(self, now: float) -> None:
        """Notes as of when, at the least, it is known to have told all there is."""
        known_at = now - SETTLING_SECONDS
        self.known_at = known_at if self.known_at is None else max(known_at, self.known_at)

    def known(self, now: float) -> float | None:
        """As of when its keys are what the trust domain has, by what stands at `now`."""
        if self.authoritative:
            return now if self.confirms else self.confirmed_at
        since = self.settling_since
        if self.current and since is not None and now - since >= SETTLING_SECONDS:
            return since
        return self.known_at


class BundleStore:
    """The combined bundle of `trust_domain`, and the state of its sources.

    `on_change` is called with each new combined bundle, `on_state` whenever a source's
    state may have changed. `restored` is an earlier last-good copy, in force until a
    source speaks.
    """

    def __init__(
        self,
        trust_domain: TrustDomain,
        *,
        on_change: Callable[[Bundle], None] = lambda _: None,
        on_state: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.trust_domain = trust_domain
        self._on_change = on_change
        self._on_state = on_state
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._carried: Mapping[str, JwtAuthority] = {}  # of a last-good copy or a removed source
        self._carried_confirmed_at: float | None = None
        self._restored: Bundle | None = None
        self._bundle: Bundle | None = None

    @property
    def bundle(self) -> Bundle | None:
        """The combined bundle; None before any source has told one."""
        return self._bundle

    @property
    def confirmed_at(self) -> float | None:
        """When the bundle was last known to be current: now, while a source is connected.

        A source whose latest answer was refused confirms nothing.
        """
        times = [
            self._clock() if record.confirms else record.confirmed_at
            for record in self._records.values()
        ]
        times.append(self._carried_confirmed_at)
        return max((time for time in times if time is not None), default=None)

    def known_at(self, now: float) -> float | None:
        """As of when the bundle is known to be the trust domain's, if it stands at `now`.

        Unlike `confirmed_at` it tells the newer from the older of two bundles that two
        agents tell at the same time.
        """
        times = [record.known(now) for record in self._records.values()]
        times.append(self._carried_confirmed_at)
        return max((time for time in times if time is not None), default=None)

    def restore(self, bundle: Bundle, confirmed_at: float) -> None:
        """Puts a last-good copy in force until a source speaks."""
        self._restored = bundle
        self._carried = bundle.jwt.authorities
        self._carried_confirmed_at = min(confirmed_at, self._clock())
        self._combine()

    async def follow(self, source: Source) -> None:
        """Takes part of `source` in the bundle until it ends or the task is cancelled."""
        name = source.name
        lost = SourceState(connected=False, since=self._clock())
        self._records[name] = _Record(lost, source.authoritative)
        end: BridgeError | None = None
        try:
            async with aclosing(source.watch(partial(self._set_state, name))) as bundles:
                async for bundle in bundles:
                    self._receive(name, bundle)
        except BridgeError as error:
            _log.error("source has ended", extra={"source": name, "reason": error.message})
            end = error
        finally:  # nobody listens to it any more, for whatever reason
            self._set_state(name, SourceState(False, self._clock(), end))

    def remove(self, name: str) -> None:
        """Forgets a source; its keys stay as those of a source that is lost."""
        confirmed_at = self.confirmed_at
        record = self._records.pop(name)
        if record.keys:
            self._carried = {**self._carried, **record.keys}
            self._carried_confirmed_at = confirmed_at
        self._combine()

    def statuses(self) -> tuple[SourceStatus, ...]:
        """The sources, in the order in which they were added."""
        return tuple(self._status(name, record) for name, record in self._records.items())

    def _receive(self, name: str, bundle: Bundle) -> None:
        record = self._records[name]
        new = bundle.jwt.authorities
        try:
            self._check_against_others(name, new)
        except InvalidBundle as error:
            self._refuse(name, record, error)
            return
        record.refusal = None
        record.hear(self._clock(), is_change=new != record.keys)
        if not record.current or new != record.keys or not new:
            record.last_told = frozenset(new)
            record.ever_told |= record.last_told
            record.keys = new
            for other in self._records.values():
                if other is not record and not other.current:
                    other.keys = {}
            self._carried, self._carried_confirmed_at = {}, None
        record.told = bundle
        record.current = True
        record.received_at = record.confirmed_at = self._clock()
        record.settle(record.received_at)
        self._combine()

    def _check_against_others(self, name: str, keys: Mapping[str, JwtAuthority]) -> None:
        """One key ID means one key in a trust domain, whichever source tells of it."""
        for other, record in self._records.items():
            if other == name or not record.current:
                continue
            if self._records[name].authoritative and not record.authoritative:
                continue
            for key_id in keys.keys() & record.keys.keys():
                if keys[key_id].key != record.keys[key_id].key:
                    raise InvalidBundle(
                        f"key ID {key_id!r} is another key here than at source {other!r}",
                        hint="do both sources serve the same trust domain?",
                    )

    def _refuse(self, name: str, record: _Record, error: BridgeError) -> None:
        """Notes why a bundle was not taken, apart from the state that the source reports."""
        if record.confirms:
            record.confirmed_at = self._clock()
        if record.refusal is None or record.refusal.message != error.message:
            _log_state(name, replace(record.state, last_error=error))
        record.refusal = error
        self._on_state()

    def _set_state(self, name: str, state: SourceState) -> None:
        record = self._records[name]
        if record.confirms:
            record.confirmed_at = self._clock()
        before, record.state = record.state, state
        if record.current and not state.connected:
            record.current = False
            record.keys = self._without_dropped(record.keys)
            self._combine()
        if (before.connected, _code(before)) != (state.connected, _code(state)):
            _log_state(name, state)  # once, and not at each new attempt
        self._on_state()

    def _without_dropped(self, keys: Mapping[str, JwtAuthority]) -> Mapping[str, JwtAuthority]:
        """Those of a lost source's keys that no connected one is known to have dropped."""
        dropped = frozenset[str]().union(*(record.dropped for record in self._current()))
        return {key_id: key for key_id, key in keys.items() if key_id not in dropped}

    def _current(self) -> list[_Record]:
        return [record for record in self._records.values() if record.current]

    def _combine(self) -> None:
        keys = self._combined_keys()
        if not keys and self.confirmed_at is None:
            return  # nobody has told anything: that is no empty bundle
        version = self._version_of(keys)
        bundle = Bundle(
            self.trust_domain,
            JwtBundle.of(self.trust_domain, keys.values()),
            X509Bundle(self.trust_domain),
            sequence=version.sequence if version is not None else None,
            refresh_hint_seconds=version.refresh_hint_seconds if version is not None else None,
        )
        if bundle != self._bundle:
            self._bundle = bundle
            for record in self._current():  # what stands has a part in it, whoever caused it
                record.settle(self._clock())
            self._on_change(bundle)
        self._on_state()

    def _combined_keys(self) -> dict[str, JwtAuthority]:
        authorities = [r for r in self._records.values() if r.authoritative]
        speaking = [record for record in authorities if record.current]
        keys: dict[str, JwtAuthority] = {} if speaking else dict(self._carried)
        # An authority's own word comes last: it tells more of a key than an agent does.
        for record in speaking or sorted(self._records.values(), key=_is_authoritative):
            keys.update(record.keys)
        if not speaking:
            withdrawn = frozenset[str]().union(*(record.withdrawn for record in authorities))
            keys = {key_id: key for key_id, key in keys.items() if key_id not in withdrawn}
        return keys

    def _version_of(self, keys: Mapping[str, JwtAuthority]) -> Bundle | None:
        """What was told with just these keys, and so with their sequence number and hint."""
        told = (self._restored, *(record.told for record in self._records.values()))
        same = [b for b in told if b is not None and b.jwt.authorities == keys]
        return max(same, key=lambda b: -1 if b.sequence is None else b.sequence, default=None)

    def _status(self, name: str, record: _Record) -> SourceStatus:
        missing: frozenset[str] = frozenset()
        stale: frozenset[str] = frozenset()
        if record.current and self._bundle is not None:
            missing = frozenset(self._bundle.jwt.authorities) - frozenset(record.keys)
            missing -= record.dropped
            others = (r.dropped for r in self._current() if r is not record)
            stale = frozenset(record.keys) & frozenset[str]().union(*others)
            stale |= frozenset(record.keys) - frozenset(self._bundle.jwt.authorities)
        return SourceStatus(
            name,
            replace(record.state, last_error=record.state.last_error or record.refusal),
            record.received_at,
            len(record.keys),
            tuple(sorted(missing)),
            tuple(sorted(stale)),
        )


def _is_authoritative(record: _Record) -> bool:
    return record.authoritative


def _code(state: SourceState) -> str | None:
    return state.last_error.code if state.last_error is not None else None


def _log_state(name: str, state: SourceState) -> None:
    if state.last_error is not None:
        extra = {"source": name, "code": state.last_error.code, "reason": state.last_error.message}
        if state.connected:
            _log.warning("source's answer was refused; its last good bundle stays", extra=extra)
        else:
            _log.warning("source is not connected", extra=extra)
    elif state.connected:
        _log.info("source is connected", extra={"source": name})
