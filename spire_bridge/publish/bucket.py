"""An issuer's documents as objects in a bucket, written by several publishers at once.

A bucket has no lock, no two objects change together, and a publisher may be killed or held
up at any point, even with a write on its way that arrives much later. What there is: an
object can be replaced on the condition that it still is the one that was read. So:

1. Read the note (the generation of what is published), then the documents.
2. If the note is of another, newer set, end: `PublicationOutdated`.
3. **Claim**: replace the note that was read by one that names our generation, what each
   document is to be, and what it was when we read it. If the note has changed: from 1.
4. Replace each document that differs, the JWK set first, on the condition that it still is
   what we read before we claimed. If it has changed: from 1, with a claim of its own.

Every write of a document belongs to one claim, and claims follow each other in one order.
A document that is what the latest claim says has been written: that claim is *settled*. If
it isn't, whoever claims next must expect the write to arrive yet. It waits for what the
document was, and where the store tells objects apart by their content alone (S3's entity
tag is its MD5), that may come again: a key that was added and removed restores the set of
before. The next claim therefore *bars* that content for good, and if it is the very one to
be published, white space behind the JSON text makes it another (RFC 8259, section 2).

So, once `publish` has returned, no write of an older set succeeds any more, whoever dies or
wakes: it would need a claim, which the note refuses, or the content that its claim knew,
which is barred. And a publisher that dies between its claim and its writes blocks nobody
who has the same set or a newer one: they don't trust the note for what stands.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Protocol, Self

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.url import DISCOVERY_PATH, JWKS_PATH
from spire_bridge.publish.generation import (
    GENERATION_FILE,
    Generation,
    InvalidGeneration,
    Note,
    PublicationOutdated,
)
from spire_bridge.publish.target import Publication, TargetBusy
from spire_bridge.transport.backoff import Backoff

PROBE_FILE = ".spire-bridge-probe"

_ATTEMPTS = 12
_NOTE_HEADERS = MappingProxyType({"Content-Type": "application/json", "Cache-Control": "no-store"})
# More claims than can be superseded while a write is on its way, which takes minutes at most.
_BARRED_KEPT = 64


class WriteConflict(Exception):
    """The object is not the one any more that was to be replaced."""


class ConditionalWritesIgnored(BridgeError):
    """The store replaces objects whatever the condition, so that nothing protects newer ones."""

    code = "CONDITIONAL_WRITES_IGNORED"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that was read: what it holds, its HTTP headers, and what its store calls it."""

    data: bytes
    version: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)


class Objects(Protocol):
    """The objects below one prefix of a bucket. Any call may raise a `BridgeError`."""

    def location(self, name: str) -> str:
        """The object's address, as an operator knows it."""
        ...

    def get(self, name: str) -> StoredObject | None:
        """The object as it is now; None if there is none."""
        ...

    def put(
        self, name: str, data: bytes, headers: Mapping[str, str], replaces: StoredObject | None
    ) -> None:
        """Writes the object if it still is `replaces`; None: if there is none.

        Raises `WriteConflict` if it isn't. Sends the request once: a repetition could
        arrive when the object has come to be the same again.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the note says of one document; contents are named by their hash.

    `stored` is what the document is to be, `replaces` what it was when that was claimed
    (None: absent), `barred` what it must never be again.
    """

    stored: str
    replaces: str | None
    barred: tuple[str, ...] = ()

    @classmethod
    def parse(cls, value: Any, where: str) -> Self:
        match value:
            case {"stored": str(stored), "replaces": replaces, "barred": list(barred)} if (
                replaces is None or isinstance(replaces, str)
            ) and all(isinstance(item, str) for item in barred):
                return cls(stored, replaces, tuple(barred))
        raise InvalidGeneration.at(where)

    @property
    def awaits(self) -> str | None:
        """The content that the claim's write waits for; None if there is no such write."""
        return self.replaces if self.replaces != self.stored else None

    def to_json(self) -> dict[str, Any]:
        return {"stored": self.stored, "replaces": self.replaces, "barred": list(self.barred)}


@dataclass(frozen=True, slots=True)
class _Plan:
    """One document: what is there, what is to be, the latest claim on it, and the next."""

    name: str
    there: StoredObject | None
    wanted: bytes
    headers: Mapping[str, str]
    latest: _Claim | None
    claim: _Claim

    @classmethod
    def of(
        cls,
        name: str,
        body: bytes,
        headers: Mapping[str, str],
        there: StoredObject | None,
        latest: _Claim | None,
    ) -> Self:
        content = _hash(there.data) if there is not None else None
        barred = latest.barred if latest is not None else ()
        if latest is not None and content != latest.stored and latest.awaits is not None:
            others = (other for other in barred if other != latest.awaits)
            barred = (*others, latest.awaits)[-_BARRED_KEPT:]
        wanted = body
        while _hash(wanted) in barred:
            wanted += b"\n"
        return cls(name, there, wanted, headers, latest, _Claim(_hash(wanted), content, barred))

    @property
    def is_settled(self) -> bool:
        """Whether all is as it is to be; a store that doesn't tell a header is believed."""
        there = self.there
        return (
            there is not None
            and there.data == self.wanted
            and all(there.headers.get(name, value) == value for name, value in self.headers.items())
        )


@dataclass(slots=True)
class BucketTarget:
    """The objects of one prefix, which is the issuer's URL to those who read them.

    `pause` waits some seconds before a further attempt.
    """

    objects: Objects
    pause: Callable[[float], None] = time.sleep
    _is_probed: bool = field(default=False, init=False)

    def publish(self, documents: Documents, generation: Generation) -> Publication:
        """See `Target`; raises `TargetBusy` if others were quicker time and again.

        The first time it raises `ConditionalWritesIgnored` if the store can't be relied on.
        """
        if not self._is_probed:
            self._probe()
            self._is_probed = True
        backoff = Backoff(initial=0.05, maximum=1.0)
        for _ in range(_ATTEMPTS):
            try:
                return self._attempt(documents, generation)
            except WriteConflict:
                self.pause(backoff.next_delay())
        raise TargetBusy(
            f"{self.objects.location('')} was changed by other publishers in {_ATTEMPTS} attempts"
        )

    def _attempt(self, documents: Documents, generation: Generation) -> Publication:
        place = self.objects.location(GENERATION_FILE)
        there = self.objects.get(GENERATION_FILE)
        note = Note.parse(there.data, place) if there is not None else None
        if note is not None and generation.is_older_than(note.generation):
            if note.outdates(generation, documents.jwks.etag):
                raise PublicationOutdated.at(self.objects.location(""), place, note.generation)
            generation = note.generation
        plans = self._plans(documents, note, place)
        if note is None or not self._says(note, generation, plans):
            new = {
                **generation.to_json(),
                "jwks_etag": documents.jwks.etag,
                "documents": {plan.name: plan.claim.to_json() for plan in plans},
                "claim": secrets.token_hex(8),  # no two notes are the same
            }
            body = json.dumps(new, indent=2).encode() + b"\n"
            self.objects.put(GENERATION_FILE, body, _NOTE_HEADERS, there)
        for plan in plans:
            if not plan.is_settled:
                self.objects.put(plan.name, plan.wanted, plan.headers, plan.there)
        return Publication(
            tuple(self.objects.location(plan.name) for plan in plans if not plan.is_settled),
            tuple(self.objects.location(plan.name) for plan in plans if plan.is_settled),
        )

    def _plans(self, documents: Documents, note: Note | None, place: str) -> tuple[_Plan, ...]:
        """The JWK set first: whoever reads the other document finds the keys it leads to."""
        claims: Any = note.members.get("documents", {}) if note is not None else {}
        if not isinstance(claims, dict):
            raise InvalidGeneration.at(place)
        headers = {
            "Content-Type": "application/json",
            "Cache-Control": f"public, max-age={documents.cache_seconds}",
        }
        plans = []
        for path, document in ((JWKS_PATH, documents.jwks), (DISCOVERY_PATH, documents.discovery)):
            name = path.lstrip("/")
            latest = _Claim.parse(claims[name], place) if name in claims else None
            plans.append(_Plan.of(name, document.body, headers, self.objects.get(name), latest))
        return tuple(plans)

    def _says(self, note: Note, generation: Generation, plans: tuple[_Plan, ...]) -> bool:
        """Whether the note says all this already, and nothing remains to be written."""
        return generation.to_json() == note.generation.to_json() and all(
            plan.is_settled and plan.latest is not None and plan.latest.stored == plan.claim.stored
            for plan in plans
        )

    def _probe(self) -> None:
        """Tries both conditions, on an object that nobody reads."""
        creates_twice = not self._refuses(None) and not self._refuses(None)
        if creates_twice or not self._refuses(_NO_OBJECT):
            raise ConditionalWritesIgnored(
                f"{self.objects.location('')} does not heed conditions on writes",
                hint="without them an older set of keys could replace a newer one; publish to a"
                " directory instead, and have the store's own tool copy it",
            )

    def _refuses(self, replaces: StoredObject | None) -> bool:
        try:
            self.objects.put(PROBE_FILE, b"{}", _NOTE_HEADERS, replaces)
        except WriteConflict:
            return True
        return False


# What no store has: it must refuse to replace it.
_NO_OBJECT = StoredObject(b"", {"e_tag": '"00000000000000000000000000000000"', "version": "1"})


def _hash(data: bytes) -> str:
    return sha256(data).hexdigest()[:32]
