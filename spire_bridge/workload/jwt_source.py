"""JWT-SVIDs that are fresh whenever they are asked for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.backoff import Backoff
from spire_bridge.transport.rpc import is_being_cancelled
from spire_bridge.transport.rpc_errors import Canceled, PermissionDenied
from spire_bridge.workload.calls import audience_names
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.errors import HintNotFound

MAX_ENTRIES = 1024

# The longest sleep. The event loop's clock stands still while a machine is suspended, so
# the wall clock is looked at this often.
TICK_SECONDS = 5.0

_log = logging.getLogger(__name__)


class _Key(NamedTuple):
    audience: frozenset[str]
    spiffe_id: SpiffeId | None  # None: the default identity
    all_identities: bool = False  # what is asked for to find a hint; no key of an entry


_Svids = tuple[UnverifiedJwtSvid, ...]


@dataclass(slots=True)
class _Entry:
    svid: UnverifiedJwtSvid
    renew_at: float
    backoff: Backoff = field(default_factory=lambda: Backoff(initial=1.0))


class JwtSource:
    """A cache of JWT-SVIDs over one client, as an async context manager.

    A token is kept by its audience set and SPIFFE ID, renewed in the background when
    half of its remaining life is over, and never handed out once it has expired.
    Callers that ask for the same token at the same time share one call. While the agent
    is unavailable a token that is still valid stays; when the agent denies an identity, all
    its tokens are dropped at once. The least recently used of 1,024 tokens makes room for
    the next.
    """

    def __init__(self, client: WorkloadClient, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._entries: dict[_Key, _Entry] = {}  # least recently used first
        self._fetches: dict[_Key, asyncio.Task[_Svids]] = {}
        self._ids_by_hint: dict[str, SpiffeId] = {}
        self._wake = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._renewal = asyncio.create_task(self._renew_for_ever(), name="jwt-source")
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (self._renewal, *self._fetches.values()) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def get(
        self,
        audience: str | Iterable[str],
        *,
        spiffe_id: SpiffeId | str | None = None,
        hint: str | None = None,
    ) -> UnverifiedJwtSvid:
        """A valid token for `audience` and an identity: by ID, by hint, or the default one.

        Raises what `WorkloadClient.fetch_jwt_svids` raises, and `HintNotFound`.
        """
        names = audience_names(audience)
        if hint is not None:
            spiffe_id = await self._resolve(hint, names)
        wanted = SpiffeId.parse(spiffe_id) if isinstance(spiffe_id, str) else spiffe_id
        key = _Key(frozenset(names), wanted)
        entry = self._entries.pop(key, None)
        if entry is not None and entry.svid.expires_at > self._clock():
            self._entries[key] = entry  # now the most recently used
            return entry.svid
        svids = await self._shared_fetch(key)
        return svids[0]

    async def _resolve(self, hint: str, audience: tuple[str, ...]) -> SpiffeId:
        """The ID that carries `hint`, looked up once; the token that comes along is kept."""
        if hint not in self._ids_by_hint:
            names = frozenset(audience)
            svids = await self._shared_fetch(_Key(names, None, all_identities=True))
            # of two with one hint the first counts (section 6.2.1)
            found = next((svid for svid in svids if svid.hint == hint), None)
            if found is None:
                raise HintNotFound(
                    f"no identity of this workload has the hint {hint!r}",
                    hint="the operator sets it with spire-server entry update -hint",
                )
            self._ids_by_hint[hint] = found.spiffe_id
            self._keep(_Key(names, found.spiffe_id), found)
        return self._ids_by_hint[hint]

    async def _shared_fetch(self, key: _Key) -> _Svids:
        """The outcome of one fetch, however many wait for it and whoever gives up."""
        task = self._fetch(key)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            raise Canceled("the source of JWT-SVIDs was closed") from None

    def _fetch(self, key: _Key) -> asyncio.Task[_Svids]:
        """The fetch of `key` that is under way, or a new one."""
        task = self._fetches.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch_now(key))
            self._fetches[key] = task
            task.add_done_callback(lambda done: self._fetched(key, done))
        return task

    def _fetched(self, key: _Key, task: asyncio.Task[_Svids]) -> None:
        del self._fetches[key]
        if not task.cancelled():
            task.exception()  # seen here, even if nobody is waiting any more

    async def _fetch_now(self, key: _Key) -> _Svids:
        try:
            svids = await self._client.fetch_jwt_svids(
                sorted(key.audience), spiffe_id=key.spiffe_id
            )
        except PermissionDenied:
            self._redact(key.spiffe_id)
            raise
        if not key.all_identities:
            self._keep(key, svids[0])
        return svids

    def _keep(self, key: _Key, svid: UnverifiedJwtSvid) -> None:
        now = self._clock()
        # In its place, since being renewed is no use. Of the remaining life: an agent may hand
        # out a token that is already half over.
        self._entries[key] = _Entry(svid, now + (svid.expires_at - now) / 2)
        while len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._wake.set()

    def _redact(self, denied: SpiffeId | None) -> None:
        """Drops all tokens and hints of an identity that was denied; None: of every one."""
        if denied is None:
            self._entries, self._ids_by_hint = {}, {}
            return
        self._entries = {k: e for k, e in self._entries.items() if e.svid.spiffe_id != denied}
        self._ids_by_hint = {h: known for h, known in self._ids_by_hint.items() if known != denied}

    async def _renew_for_ever(self) -> None:
        while True:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._renew_what_is_due(self._clock())):
                    await self._wake.wait()

    def _renew_what_is_due(self, now: float) -> float:
        """Returns in how many seconds something may be due again."""
        delay = TICK_SECONDS
        for key, entry in list(self._entries.items()):
            if entry.svid.expires_at <= now:
                del self._entries[key]
                continue
            if entry.renew_at <= now:
                # When to try again if this fails; success makes a new entry.
                entry.renew_at = now + entry.backoff.next_delay()
                if key not in self._fetches:
                    self._fetch(key).add_done_callback(_log_failed_renewal)
            delay = min(delay, entry.renew_at - now)
        return delay


def _log_failed_renewal(task: asyncio.Task[_Svids]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        code = error.code if isinstance(error, BridgeError) else type(error).__name__
        _log.warning("JWT-SVID was not renewed", extra={"code": code, "reason": str(error)})
