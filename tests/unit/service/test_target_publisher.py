"""One target kept up to date: faults of a bucket, and what its readers see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from issuer_at_work import Clock, until
from object_stores.faulty_s3 import Content, FaultyS3, faulty_s3

from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.jose.public_key import PublicKey
from spire_bridge.publish.bucket import BucketTarget
from spire_bridge.publish.generation import Generation
from spire_bridge.publish.object_store import s3_objects
from spire_bridge.publish.read_back import PublicUrl, ReadBackFailed
from spire_bridge.service.publishing.target_publisher import Offer, TargetPublisher
from spire_bridge.service.publishing.targets import NamedTarget
from spire_bridge.spiffe.jwt_bundle import JwtAuthority
from spire_bridge.transport.backoff import Backoff

ISSUER = IssuerUrl.parse("https://issuer.example.org")
KEY = PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())
NOON = 1_800_000_000.0
JWKS = "/site/keys"


def documents_of(*key_ids: str, cache_seconds: int = 300) -> Documents:
    made = Documents.of(ISSUER, KeySet(tuple(JwtAuthority(key_id, KEY) for key_id in key_ids)))
    return replace(made, cache_seconds=cache_seconds)


OLD, NEW = documents_of("old"), documents_of("old", "new")


class Desk:
    """A publisher of a bucket, and the documents that it is to publish."""

    def __init__(self, s3: FaultyS3, public: PublicUrl | None) -> None:
        self.s3 = s3
        self.number = 0
        self.documents: Documents | None = None
        objects = s3_objects("site", "", endpoint=s3.url, allow_http=True, timeout_seconds=0.3)
        self.publisher = TargetPublisher(
            "example.org",
            NamedTarget("bucket", ISSUER, BucketTarget(objects), public),
            self.offer,
            backoff=Backoff(initial=0.01, maximum=0.05),
        )
        self.state = self.publisher.state

    def offer(self) -> Offer | None:
        if self.documents is None:
            return None
        generation = Generation(NOON, self.number)
        return Offer(self.documents, generation, generation)

    def change(self, documents: Documents) -> None:
        self.documents, self.number = documents, self.number + 1
        self.publisher.notice()

    async def published(self) -> bytes | None:
        content = self.s3.objects.get(JWKS)
        return content.body if content is not None else None

    async def error(self) -> str | None:
        return self.state.error.code if self.state.error is not None else None

    async def visible(self) -> bool | None:
        return self.state.visible


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "publisher")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with faulty_s3() as bucket:
        yield bucket


@pytest.fixture
def site() -> Iterator[FaultyS3]:
    """What relying parties are shown: a CDN that has a mind of its own."""
    with faulty_s3() as cdn:
        yield cdn


@asynccontextmanager
async def at_work(s3: FaultyS3, public: PublicUrl | None = None) -> AsyncIterator[Desk]:
    desk = Desk(s3, public)
    task = asyncio.create_task(desk.publisher.run())
    try:
        yield desk
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("status", "code"), [(403, "BUCKET_DENIED"), (503, "BUCKET_UNAVAILABLE")])
async def test_a_bucket_that_refuses_gets_the_newest_when_it_is_back(
    s3: FaultyS3, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work(s3) as desk:
        desk.change(OLD)
        await until(desk.published, OLD.jwks.body)
        await until(desk.error, None)
        s3.refusals = [status] * 100_000
        desk.change(documents_of("between"))
        await until(desk.error, code)
        desk.change(NEW)
        assert desk.state.behind_since is not None
        s3.refusals.clear()
        await until(desk.published, NEW.jwks.body)
        await until(desk.error, None)
        assert desk.state.behind_since is None
        assert desk.state.failures >= 1
    logged = [vars(r)["code"] for r in caplog.records if "not published" in r.getMessage()]
    assert set(logged) == {code}
    assert len(logged) <= 3  # once for each object that is refused, not for each attempt
    assert "secret" not in caplog.text


async def test_a_slow_bucket_gets_the_newest_when_it_answers(s3: FaultyS3) -> None:
    async with at_work(s3) as desk:
        s3.held = True
        desk.change(OLD)
        await until(desk.error, "BUCKET_UNAVAILABLE")
        desk.change(NEW)
        s3.held = False
        s3.released.set()
        await until(desk.published, NEW.jwks.body)


async def test_another_publishers_write_in_between_is_no_failure(s3: FaultyS3) -> None:
    async with at_work(s3) as desk:
        s3.refusals = [None] * 6 + [412, None, None, None, None, 412]
        desk.change(OLD)
        await until(desk.published, OLD.jwks.body)
        assert desk.state.failures == 0


async def test_it_is_read_back_until_a_cdn_shows_it(s3: FaultyS3, site: FaultyS3) -> None:
    site.objects["/keys"] = Content(OLD.jwks.body, {"Content-Type": "application/json"})
    async with at_work(s3, PublicUrl(site.url)) as desk:
        desk.change(NEW)
        await until(desk.visible, False)
        await until(desk.published, NEW.jwks.body)
        assert desk.state.error is None  # it may keep its copy for a while
        assert desk.state.behind_since is None
        for path in ("/keys", "/.well-known/openid-configuration"):
            site.objects[path] = s3.objects[f"/site{path}"]
        await until(desk.visible, True)
        assert desk.state.trouble(time.time(), 300) is None


async def test_what_is_not_seen_after_the_copies_have_expired_is_an_error(
    s3: FaultyS3, site: FaultyS3, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work(s3, PublicUrl(site.url)) as desk:
        desk.change(documents_of("new", cache_seconds=0))
        await until(desk.error, "NOT_VISIBLE")
        trouble = desk.state.trouble(time.time(), 300)
        assert trouble == f"{site.url} does not show what was published [NOT_VISIBLE]"
        desk.change(NEW)  # it has an eye on changes meanwhile
        await until(desk.published, NEW.jwks.body)
    assert caplog.text.count("published documents are not seen") == 1


async def test_a_public_url_that_is_of_no_use_is_an_error_until_it_is_put_right(
    s3: FaultyS3, site: FaultyS3
) -> None:
    async with at_work(s3, PublicUrl(site.url)) as desk:
        site.refusals = [302] * 100_000
        desk.change(NEW)
        await until(desk.error, "READ_BACK_FAILED")
        for path in ("/keys", "/.well-known/openid-configuration"):
            site.objects[path] = s3.objects[f"/site{path}"]
        site.refusals.clear()
        await until(desk.error, None)
        assert await desk.visible() is True
        assert s3.puts().count(JWKS) == 1  # reading back writes nothing


async def test_once_with_a_public_url(s3: FaultyS3, site: FaultyS3) -> None:
    desk = Desk(s3, PublicUrl(f"{s3.url}/site"))
    desk.change(NEW)
    await desk.publisher.once(time.monotonic() + 10)
    assert (desk.state.written, desk.state.visible) == (2, True)
    elsewhere = Desk(s3, PublicUrl(site.url))
    elsewhere.change(NEW)
    await elsewhere.publisher.once(time.monotonic() + 0.2)
    assert (elsewhere.state.unchanged, elsewhere.state.visible) == (2, False)
    broken = Desk(s3, PublicUrl(site.url))
    broken.change(NEW)
    site.refusals = [302]
    with pytest.raises(ReadBackFailed):
        await broken.publisher.once(time.monotonic() + 10)
    assert broken.state.publication is not None  # that much was done


def test_trouble_begins_when_a_target_has_been_behind_for_too_long(s3: FaultyS3) -> None:
    desk, clock = Desk(s3, None), Clock()
    desk.publisher.clock = clock
    assert desk.state.trouble(clock(), 60) is None
    desk.change(NEW)
    assert desk.state.trouble(clock(), 60) is None
    clock.ahead = 61
    reason = desk.state.trouble(clock(), 60)
    assert reason is not None
    assert reason.startswith("it lacks the newest documents for 61 s: not published yet")
