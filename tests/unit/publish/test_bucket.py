"""Documents in a bucket: what is written, with which headers, and what its faults come to."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from object_stores.faulty_s3 import Content, FaultyS3, faulty_s3
from obstore.store import MemoryStore

from spire_bridge.errors import EXIT_FAILURE, EXIT_UNAVAILABLE, EXIT_USAGE, BridgeError
from spire_bridge.issuer.documents import Documents
from spire_bridge.publish.bucket import (
    PROBE_FILE,
    BucketTarget,
    ConditionalWritesIgnored,
    StoredObject,
    WriteConflict,
)
from spire_bridge.publish.generation import (
    GENERATION_FILE,
    Generation,
    InvalidGeneration,
    PublicationOutdated,
)
from spire_bridge.publish.object_store import (
    BucketDenied,
    BucketNotFound,
    BucketObjects,
    BucketsNotInstalled,
    BucketUnavailable,
    InvalidBucket,
    azure_objects,
    gcs_objects,
    s3_objects,
)
from spire_bridge.publish.target import TargetBusy

NOON = 1_800_000_000.0
JWKS, DISCOVERY = "/site/tenant/keys", "/site/tenant/.well-known/openid-configuration"
NOTE, PROBE = f"/site/tenant/{GENERATION_FILE}", f"/site/tenant/{PROBE_FILE}"

NO_CLAIMS = b'{"confirmed_at": 1, "jwks_etag": "", "documents": %s}'


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "publisher")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with faulty_s3() as bucket:
        yield bucket


@pytest.fixture
def objects(s3: FaultyS3) -> BucketObjects:
    return s3_objects("site", "tenant", endpoint=s3.url, allow_http=True, timeout_seconds=5)


@pytest.fixture
def target(objects: BucketObjects) -> BucketTarget:
    return BucketTarget(objects, pause=lambda _: None)


def test_the_first_publication(s3: FaultyS3, target: BucketTarget, documents: Documents) -> None:
    publication = target.publish(documents, Generation(NOON, 7))
    assert publication.written == (
        "s3://site/tenant/keys",
        "s3://site/tenant/.well-known/openid-configuration",
    )
    assert publication.unchanged == ()
    assert s3.puts() == [PROBE, PROBE, PROBE, NOTE, JWKS, DISCOVERY]
    headers = {"Content-Type": "application/json", "Cache-Control": "public, max-age=120"}
    assert s3.objects[JWKS] == Content(documents.jwks.body, headers)
    assert s3.objects[DISCOVERY] == Content(documents.discovery.body, headers)
    assert s3.objects[NOTE].headers["Cache-Control"] == "no-store"
    note = json.loads(s3.objects[NOTE].body)
    assert (note["sequence"], note["confirmed_at"]) == (7, NOON)
    assert note["jwks_etag"] == documents.jwks.etag


def test_what_is_unchanged_is_not_written(
    s3: FaultyS3, target: BucketTarget, documents: Documents, revoked: Documents
) -> None:
    target.publish(documents, Generation(NOON))
    s3.requests.clear()
    publication = target.publish(documents, Generation(NOON))
    assert (publication.written, len(publication.unchanged), s3.puts()) == ((), 2, [])
    target.publish(documents, Generation(NOON + 60))  # but that it was confirmed again
    assert s3.puts() == [NOTE]
    with pytest.raises(PublicationOutdated):
        target.publish(revoked, Generation(NOON + 30))


def test_an_older_set_is_refused(
    s3: FaultyS3, target: BucketTarget, documents: Documents, revoked: Documents
) -> None:
    target.publish(revoked, Generation(NOON, 8))
    s3.requests.clear()
    with pytest.raises(PublicationOutdated, match="s3://site/tenant has a newer set") as refused:
        target.publish(documents, Generation(NOON + 1, 7))
    assert f"remove s3://site/tenant/{GENERATION_FILE}" in (refused.value.hint or "")
    assert s3.puts() == []
    assert s3.objects[JWKS].body == revoked.jwks.body


@pytest.mark.parametrize("name", ["Content-Type", "Cache-Control"])
def test_wrong_headers_are_put_right(
    s3: FaultyS3, target: BucketTarget, documents: Documents, name: str
) -> None:
    target.publish(documents, Generation(NOON))
    right = s3.objects[JWKS]
    s3.objects[JWKS] = Content(right.body, {**right.headers, name: "text/plain"})
    publication = target.publish(documents, Generation(NOON))
    assert publication.written == ("s3://site/tenant/keys",)
    assert s3.objects[JWKS] == right


@pytest.mark.parametrize("path", [JWKS, DISCOVERY])
def test_what_others_removed_or_changed_is_written_again(
    s3: FaultyS3, target: BucketTarget, documents: Documents, revoked: Documents, path: str
) -> None:
    target.publish(revoked, Generation(NOON))
    target.publish(documents, Generation(NOON + 1))
    before = dict(s3.objects)
    del s3.objects[path]
    target.publish(documents, Generation(NOON + 1))
    s3.objects[path] = Content(b"else", {})
    target.publish(documents, Generation(NOON + 1))
    assert {p: s3.objects[p] for p in (JWKS, DISCOVERY)} == {
        p: before[p] for p in (JWKS, DISCOVERY)
    }


def test_a_store_that_heeds_no_conditions_is_refused(
    s3: FaultyS3, target: BucketTarget, documents: Documents
) -> None:
    s3.heeds_conditions = False
    for _ in range(2):
        with pytest.raises(ConditionalWritesIgnored) as refused:
            target.publish(documents, Generation(NOON))
    assert refused.value.exit_status == EXIT_USAGE
    assert set(s3.objects) == {PROBE}


@pytest.mark.parametrize(
    ("status", "kind", "exit_status"),
    [
        (400, BucketDenied, EXIT_FAILURE),
        (403, BucketDenied, EXIT_FAILURE),
        (429, BucketUnavailable, EXIT_UNAVAILABLE),
        (503, BucketUnavailable, EXIT_UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("answers_before", range(9))
def test_a_refusal_at_any_step_may_be_tried_again(
    s3: FaultyS3,
    target: BucketTarget,
    documents: Documents,
    status: int,
    kind: type[BridgeError],
    exit_status: int,
    answers_before: int,
) -> None:
    s3.refusals = [None] * answers_before + [status]
    with pytest.raises(kind, match=rf"s3://site/tenant/.* can't be \w+: HTTP {status} \w+") as no:
        target.publish(documents, Generation(NOON))
    assert no.value.exit_status == exit_status
    assert "secret" not in no.value.diagnostic()
    assert JWKS in s3.objects or DISCOVERY not in s3.objects
    target.publish(documents, Generation(NOON))
    assert s3.objects[JWKS].body == documents.jwks.body
    assert s3.objects[DISCOVERY].body == documents.discovery.body


def test_a_store_that_does_not_answer(s3: FaultyS3, documents: Documents) -> None:
    objects = s3_objects("site", "", endpoint=s3.url, allow_http=True, timeout_seconds=0.2)
    s3.held = True
    with pytest.raises(BucketUnavailable, match="can't be written: no answer in time"):
        BucketTarget(objects).publish(documents, Generation(NOON))


def test_a_store_that_is_not_there(s3: FaultyS3, documents: Documents) -> None:
    objects = s3_objects("site", "", endpoint="http://127.0.0.1:9", allow_http=True)
    with pytest.raises(BucketUnavailable, match="can't be written: no answer") as failure:
        BucketTarget(objects).publish(documents, Generation(NOON))
    assert failure.value.exit_status == EXIT_UNAVAILABLE


def test_plain_http_takes_leave(s3: FaultyS3, documents: Documents) -> None:
    with pytest.raises(BucketUnavailable):
        BucketTarget(s3_objects("site", "", endpoint=s3.url)).publish(documents, Generation(NOON))
    assert s3.requests == []


def test_a_bucket_that_does_not_exist(
    s3: FaultyS3, target: BucketTarget, documents: Documents
) -> None:
    s3.refusals = [404]
    with pytest.raises(BucketNotFound, match="s3://site does not exist"):
        target.publish(documents, Generation(NOON))


@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize("writes_before", range(3))
def test_a_conflict_at_any_write_begins_anew(
    s3: FaultyS3,
    target: BucketTarget,
    documents: Documents,
    revoked: Documents,
    status: int,
    writes_before: int,
) -> None:
    """S3 answers 409 where two conditional writes meet, and 412 where one came too late."""
    target.publish(documents, Generation(NOON, 1))
    changed = replace(revoked, cache_seconds=60)  # so that both documents are written
    for number, wanted in enumerate((changed, documents), 2):
        s3.refusals = [None, None, None, *[None] * writes_before, status]
        target.publish(wanted, Generation(NOON, number))
        assert s3.refusals == []
    assert s3.objects[JWKS].body.rstrip() == documents.jwks.body
    assert s3.objects[DISCOVERY].body.rstrip() == documents.discovery.body


def test_others_who_are_quicker_time_and_again(
    s3: FaultyS3, target: BucketTarget, documents: Documents
) -> None:
    s3.refusals = [None] * 3 + [None, None, None, 412] * 12
    with pytest.raises(TargetBusy, match="12 attempts") as busy:
        target.publish(documents, Generation(NOON))
    assert busy.value.exit_status == EXIT_UNAVAILABLE
    assert JWKS not in s3.objects
    target.publish(documents, Generation(NOON))


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        NO_CLAIMS % b"[]",
        NO_CLAIMS % b'{"keys": {}}',
        NO_CLAIMS % b'{"keys": {"stored": "", "replaces": 1, "barred": []}}',
        NO_CLAIMS % b'{"keys": {"stored": "", "replaces": null, "barred": [1]}}',
    ],
)
def test_a_note_that_is_none_is_refused(
    s3: FaultyS3, target: BucketTarget, documents: Documents, content: bytes
) -> None:
    s3.objects[NOTE] = Content(content, {})
    with pytest.raises(InvalidGeneration, match=f"s3://site/tenant/{GENERATION_FILE}"):
        target.publish(documents, Generation(NOON))
    assert JWKS not in s3.objects


def test_a_directorys_note_that_was_copied_along(
    s3: FaultyS3, target: BucketTarget, documents: Documents, revoked: Documents
) -> None:
    note = {"confirmed_at": NOON, "jwks_etag": documents.jwks.etag}
    s3.objects[NOTE] = Content(json.dumps(note).encode(), {})
    with pytest.raises(PublicationOutdated):
        target.publish(revoked, Generation(NOON - 1))
    target.publish(revoked, Generation(NOON + 1))
    assert s3.objects[JWKS].body == revoked.jwks.body


def test_too_large_an_object_is_not_read(
    s3: FaultyS3, target: BucketTarget, documents: Documents
) -> None:
    s3.objects[JWKS] = Content(b" " * (5 << 20), {})
    with pytest.raises(InvalidBucket, match="too large"):
        target.publish(documents, Generation(NOON))


def test_objects_of_a_store_in_memory() -> None:
    objects = BucketObjects(MemoryStore(), "memory://", "")
    assert objects.get("a") is None
    objects.put("a", b"1", {"Content-Type": "text/plain"}, None)
    with pytest.raises(WriteConflict):
        objects.put("a", b"2", {}, None)
    first = objects.get("a")
    assert first is not None
    assert (first.data, first.headers) == (b"1", {"Content-Type": "text/plain"})
    objects.put("a", b"2", {}, first)
    for stale in (first, StoredObject(b"", {"e_tag": '"99"'})):
        with pytest.raises(WriteConflict):
            objects.put("a", b"3", {}, stale)


def test_places_are_named_as_operators_know_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AZURE_STORAGE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert s3_objects("site", "a/b").location("keys") == "s3://site/a/b/keys"
    assert gcs_objects("site", "").location("keys") == "gs://site/keys"
    assert azure_objects("acct", "site", "a").location("") == "azure://acct/site/a"


def test_half_a_credential_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "publisher")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(InvalidBucket, match="Missing SecretAccessKey") as refused:
        s3_objects("site", "")
    assert "AWS_*" in (refused.value.hint or "")


@pytest.mark.parametrize(
    "make", [partial(s3_objects, "b", ""), partial(gcs_objects, "b", "")], ids=["s3", "gcs"]
)
def test_without_the_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, make: partial[BucketObjects]
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(BucketsNotInstalled) as absent:
        make()
    assert absent.value.hint == "pip install 'spire-bridge[buckets]'"
