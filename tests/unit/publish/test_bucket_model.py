"""Publishers at one bucket, step by step, in every order, held up and killed anywhere.

The bucket is a model of the worst that is sold: it tells contents apart by their hash alone,
as S3 does, so that what comes again has the entity tag of before; and a write whose sender
is dead may arrive at any later time.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import md5

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.publish.bucket import PROBE_FILE, BucketTarget, StoredObject, WriteConflict
from spire_bridge.publish.generation import GENERATION_FILE, Generation, PublicationOutdated
from spire_bridge.publish.target import TargetBusy
from spire_bridge.spiffe.jwt_bundle import JwtAuthority

ISSUER = IssuerUrl.parse("https://issuer.example.org")
KEYS = [
    PublicKey.from_cryptography(ec.generate_private_key(curve).public_key())
    for curve in (ec.SECP256R1(), ec.SECP384R1())  # so that discovery changes as well
]
JWKS = "keys"
DOCUMENTS = {JWKS, ".well-known/openid-configuration"}


@cache
def documents_of(content: int) -> Documents:
    authorities = [JwtAuthority(f"key-{content}", KEYS[content % 2])]
    return Documents.of(ISSUER, KeySet(tuple(authorities)))


class Killed(BaseException):
    """What ends a publisher on the spot."""


Write = Callable[[], None]


@dataclass
class Bucket:
    """Objects by name; a version is the hash of the content."""

    contents: dict[str, bytes] = field(default_factory=dict)
    under_way: list[Write] = field(default_factory=list)
    newest: int = -1  # the newest set whose publication has succeeded
    regressions: list[str] = field(default_factory=list)

    def get(self, name: str) -> StoredObject | None:
        data = self.contents.get(name)
        return StoredObject(data, {"e_tag": tag(data)}) if data is not None else None

    def put(self, name: str, data: bytes, replaces: StoredObject | None, number: int) -> None:
        there = self.contents.get(name)
        if (replaces.version["e_tag"] if replaces else None) != (tag(there) if there else None):
            raise WriteConflict(name)
        if name in DOCUMENTS and number < self.newest:
            self.regressions.append(f"{name}: {number} after {self.newest}")
        self.contents[name] = data

    def arrives(self, index: int) -> None:
        """One of the writes whose sender is dead."""
        with suppress(WriteConflict):
            self.under_way.pop(index)()

    def holds(self, content: int) -> bool:
        documents = documents_of(content)
        return (
            self.contents[JWKS].rstrip(b"\n") == documents.jwks.body
            and self.contents[".well-known/openid-configuration"].rstrip(b"\n")
            == documents.discovery.body
        )


def tag(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


class Stepped(threading.Thread):
    """One publication, which does one call at a time, whenever it is told to."""

    def __init__(self, bucket: Bucket, content: int, number: int) -> None:
        super().__init__(daemon=True)
        self.bucket, self.content, self.number = bucket, content, number
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._fate = "live"
        self.claimed = number
        self.ended = False
        self.start()
        self._done.acquire()  # it stands before its first call

    def step(self, fate: str) -> None:
        """Lets it do its next call, or die before, after, or with it under way."""
        self._fate = fate
        self._go.release()
        self._done.acquire()

    def run(self) -> None:
        target = BucketTarget(self, pause=lambda _: None)
        target._is_probed = True
        generation = Generation(1_000.0, self.number)
        try:
            target.publish(documents_of(self.content), generation)
        except (Killed, PublicationOutdated, TargetBusy):
            pass
        else:
            self.bucket.newest = max(self.bucket.newest, self.claimed)
        finally:
            self.ended = True
            self._done.release()

    def location(self, name: str) -> str:
        return f"model://{name}"

    def get(self, name: str) -> StoredObject | None:
        self._wait()
        return self.bucket.get(name)

    def put(
        self, name: str, data: bytes, headers: Mapping[str, str], replaces: StoredObject | None
    ) -> None:
        if name == GENERATION_FILE:  # who has the set that another claimed writes it for it
            self.claimed = json.loads(data)["sequence"]
        write = partial(self.bucket.put, name, data, replaces, self.claimed)
        self._wait(write)
        write()
        if self._fate == "after":
            raise Killed

    def _wait(self, write: Write | None = None) -> None:
        self._done.release()
        self._go.acquire()
        if self._fate == "under way" and write is not None:
            self.bucket.under_way.append(write)
        if self._fate not in {"live", "after"}:
            raise Killed


def finish(publication: Stepped) -> None:
    while not publication.ended:
        publication.step("live")


def run(rng: random.Random) -> Bucket:
    """Some publications at once; contents come again, generations never."""
    bucket, at_work, number = Bucket(), list[Stepped](), 0
    content = 0
    for _ in range(rng.randrange(30, 120)):
        what = rng.random()
        if what < 0.15 and len(at_work) < 4:
            content = rng.randrange(3)
            at_work.append(Stepped(bucket, content, number))
            number += 1
        elif what < 0.2 and bucket.under_way:
            bucket.arrives(rng.randrange(len(bucket.under_way)))
        elif at_work:
            fates = ["live", "before", "after", "under way"]
            [fate] = rng.choices(fates, [40, 1, 1, 2])
            publication = rng.choice(at_work)
            publication.step(fate)
            if publication.ended:
                at_work.remove(publication)
    # The newest set is published at last, while the others go on and old writes arrive.
    newest = Stepped(bucket, content, number)
    rest = [*at_work, newest]
    while rest:
        publication = rng.choice(rest)
        publication.step("live")
        if publication.ended:
            rest.remove(publication)
    if bucket.newest != number:  # others were quicker time and again
        finish(Stepped(bucket, content, number))
    assert bucket.newest == number
    while bucket.under_way:
        bucket.arrives(rng.randrange(len(bucket.under_way)))
    assert bucket.holds(content)
    return bucket


@pytest.mark.parametrize("seed", range(20))
def test_no_write_of_an_older_set_follows_a_newer_publication(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        assert run(rng).regressions == []


def test_a_write_under_way_is_not_let_in_when_its_time_comes_again() -> None:
    """Adding a key and removing it again restores the very bytes that the write waits for."""
    bucket = Bucket()
    finish(Stepped(bucket, 0, 0))
    before = bucket.contents[JWKS]
    late = Stepped(bucket, 1, 1)
    for _ in range(4):  # three reads and the claim
        late.step("live")
    late.step("under way")
    assert (late.ended, len(bucket.under_way)) == (True, 1)
    finish(Stepped(bucket, 0, 2))
    assert bucket.contents[JWKS] == before + b"\n"
    assert json.loads(bucket.contents[JWKS]) == json.loads(before)
    bucket.arrives(0)
    assert bucket.holds(0)
    finish(Stepped(bucket, 2, 3))
    assert bucket.contents[JWKS] == documents_of(2).jwks.body
    finish(Stepped(bucket, 0, 4))  # still barred
    assert bucket.contents[JWKS] == before + b"\n"


@pytest.mark.parametrize("calls", range(3, 7))
def test_one_who_died_on_the_way_blocks_nobody_who_has_the_same_set(calls: int) -> None:
    bucket = Bucket()
    finish(Stepped(bucket, 0, 0))
    dead = Stepped(bucket, 1, 5)
    for _ in range(calls):
        if not dead.ended:
            dead.step("live")
    if not dead.ended:
        dead.step("before")
    finish(Stepped(bucket, 1, 4))  # the same set, by an older word
    assert bucket.holds(1)
    finish(Stepped(bucket, 0, 6))
    assert bucket.holds(0)


def test_the_model_is_of_the_objects_that_there_are() -> None:
    bucket = Bucket()
    finish(Stepped(bucket, 0, 0))
    assert set(bucket.contents) == {*DOCUMENTS, GENERATION_FILE}
    assert PROBE_FILE not in bucket.contents
