"""JWT-SVIDs that are fresh whenever they are asked for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.backoff import Backoff
from spire_bridge.workload.client import WorkloadClient, audience_names
from spire_bridge.workload.errors import HintNotFound, PermissionDenied

MAX_ENTRIES = 1024

# The longest sleep. The event loop's clock stands still while a machine is suspended, so
# the wall clock is looked at this often.
TICK_SECONDS = 5.0

_log = logging.getLogger(__name__)


class _Key(NamedTuple):
    audience: frozenset[str]
    spiffe_id: SpiffeId | None


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
    is unavailable a token that is still valid stays; when the agent denies it, it is
    dropped at once. The least recently used of 1,024 tokens makes room for the next.
    """

    def __init__(self, client: WorkloadClient, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._entries: dict[_Key, _Entry] = {}  # least recently used first
        self._fetches: dict[_Key, asyncio.Task[UnverifiedJwtSvid]] = {}
        self._ids_by_hint: dict[str, SpiffeId] = {}
        self._wake = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._renewal = asyncio.create_task(self._renew_for_ever(), name="jwt-source")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
        entry = self._entries.get(key)
        if entry is not None and entry.svid.expires_at > self._clock():
            self._entries[key] = self._entries.pop(key)
            return entry.svid
        return await asyncio.shield(self._fetch(key))

    async def _resolve(self, hint: str, audience: tuple[str, ...]) -> SpiffeId:
        """The ID that carries `hint`, looked up once; the tokens that come along are kept."""
        if hint not in self._ids_by_hint:
            svids = await self._client.fetch_jwt_svids(audience)
            for svid in reversed(svids):  # of two with one hint the first counts (section 6.2.1)
                if svid.hint:
                    self._ids_by_hint[svid.hint] = svid.spiffe_id
                self._keep(_Key(frozenset(audience), svid.spiffe_id), svid)
            if hint not in self._ids_by_hint:
                raise HintNotFound(
                    f"no identity of this workload has the hint {hint!r}",
                    hint="the operator sets it with spire-server entry update -hint",
                )
        return self._ids_by_hint[hint]

    def _fetch(self, key: _Key) -> asyncio.Task[UnverifiedJwtSvid]:
        """The fetch of `key` that is under way, or a new one."""
        task = self._fetches.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch_now(key))
            self._fetches[key] = task
            task.add_done_callback(lambda done: self._fetched(key, done))
        return task

    def _fetched(self, key: _Key, task: asyncio.Task[UnverifiedJwtSvid]) -> None:
        del self._fetches[key]
        self._wake.set()  # the renewal of what it brought can be planned now
        if not task.cancelled():
            task.exception()  # seen here, even if nobody is waiting any more

    async def _fetch_now(self, key: _Key) -> UnverifiedJwtSvid:
        try:
            svids = await self._client.fetch_jwt_svids(key.audience, spiffe_id=key.spiffe_id)
        except PermissionDenied:
            self._drop(key)
            raise
        except BridgeError:
            self._postpone(key)
            raise
        self._keep(key, svids[0])
        return svids[0]

    def _keep(self, key: _Key, svid: UnverifiedJwtSvid) -> None:
        now = self._clock()
        self._entries.pop(key, None)
        # Of the remaining life: an agent may hand out a token that is already half over.
        self._entries[key] = _Entry(svid, now + (svid.expires_at - now) / 2)
        while len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._wake.set()

    def _drop(self, key: _Key) -> None:
        self._entries.pop(key, None)
        if key.spiffe_id is not None:
            self._ids_by_hint = {
                hint: known for hint, known in self._ids_by_hint.items() if known != key.spiffe_id
            }

    def _postpone(self, key: _Key) -> None:
        entry = self._entries.get(key)
        if entry is not None:
            entry.renew_at = self._clock() + entry.backoff.next_delay()

    async def _renew_for_ever(self) -> None:
        while True:
            self._wake.clear()
            now = self._clock()
            for key, entry in list(self._entries.items()):
                if entry.svid.expires_at <= now:
                    del self._entries[key]
                elif entry.renew_at <= now:
                    self._renew(key)
            pending = [e.renew_at for k, e in self._entries.items() if k not in self._fetches]
            delay = min((at - now for at in pending), default=TICK_SECONDS)
            try:
                async with asyncio.timeout(max(0.0, min(delay, TICK_SECONDS))):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _renew(self, key: _Key) -> None:
        self._fetch(key).add_done_callback(_log_failed_renewal)


def _log_failed_renewal(task: asyncio.Task[UnverifiedJwtSvid]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        code = error.code if isinstance(error, BridgeError) else type(error).__name__
        _log.warning("JWT-SVID was not renewed", extra={"code": code, "reason": str(error)})
