"""Issuers' documents as a cloud keeps them: fetched when they are first needed, and for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from spire_bridge.cloud.issuer_documents import IssuerDocuments

# No cloud documents how long it keeps an issuer's keys, nor whether it looks again for a key
# that it does not know. These are assumptions, kind to rotations: verifiers that are known
# keep keys for five minutes and look again at most this often.
ASSUMED_CACHE_SECONDS = 300.0
ASSUMED_LOOK_AGAIN_SECONDS = 1.0

# From an issuer's URL to what can be read there, within limits of size and time. Blocks; an
# issuer that can't be read is a result with a `problem`, not an error.
Discover = Callable[[str], IssuerDocuments]


@dataclass(frozen=True, slots=True)
class _Kept:
    documents: IssuerDocuments
    fetched_at: float


class IssuerCache:
    """The documents of each issuer; blocks while it fetches.

    Only issuers that are trusted may be asked for: each may have this machine connect to it.
    """

    def __init__(self, discover: Discover, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._discover, self._clock = discover, clock
        self._kept: dict[str, _Kept] = {}

    def documents(self, issuer: str, key_id: str | None) -> IssuerDocuments:
        """What the issuer serves; with the key, if it serves that at all."""
        kept, now = self._kept.get(issuer), self._clock()
        if kept is None or now - kept.fetched_at >= _lifetime(kept.documents, key_id):
            kept = self._kept[issuer] = _Kept(self._discover(issuer), now)
        return kept.documents


def _lifetime(documents: IssuerDocuments, key_id: str | None) -> float:
    if documents.problem or documents.key(key_id) is None:
        return ASSUMED_LOOK_AGAIN_SECONDS
    return ASSUMED_CACHE_SECONDS
