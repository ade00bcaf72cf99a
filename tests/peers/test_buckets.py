"""Buckets that others wrote: SeaweedFS's S3, and Azurite, Microsoft's emulator.

No emulator speaks the protocol that is used for Google Cloud Storage.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run
from object_stores.azurite import running_azurite
from object_stores.publisher import PublisherProcess, documents_of
from object_stores.seaweedfs import SECRET, running_seaweedfs
from object_stores.under_test import BucketUnderTest

from spire_bridge.publish.bucket import BucketTarget
from spire_bridge.publish.generation import Generation, PublicationOutdated
from spire_bridge.publish.object_store import BucketDenied, BucketNotFound
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

NOON = 1_800_000_000.0
CHANGES = 100


@pytest.fixture(scope="module", params=["seaweedfs", "azurite"])
def bucket(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BucketUnderTest]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == "seaweedfs":
            weed = Path(sys.executable).with_name("weed")
            running = running_seaweedfs(weed, folder)
        else:
            azurite = shutil.which("azurite-blob") or shutil.which("azurite")
            if azurite is None:
                pytest.skip("azurite is not on PATH (npm install -g azurite)")
            running = running_azurite(Path(azurite), folder)
        found = stack.enter_context(running)
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in found.environment.items():
            patched.setenv(name, value)
        yield found


def test_documents_with_their_headers(bucket: BucketUnderTest) -> None:
    objects = bucket.objects("first")
    target = BucketTarget(objects)
    publication = target.publish(documents_of(1), Generation(NOON, 1))
    assert len(publication.written) == 2
    for name, document in (
        ("keys", documents_of(1).jwks),
        (".well-known/openid-configuration", documents_of(1).discovery),
    ):
        there = objects.get(name)
        assert there is not None
        assert there.data == document.body
        assert there.headers["Content-Type"] == "application/json"
        assert there.headers["Cache-Control"] == "public, max-age=300"
    again = BucketTarget(bucket.objects("first")).publish(documents_of(1), Generation(NOON, 1))
    assert (again.written, len(again.unchanged)) == ((), 2)
    longer = replace(documents_of(1), cache_seconds=600)
    later = BucketTarget(bucket.objects("first")).publish(longer, Generation(NOON, 1))
    assert len(later.written) == 2  # to be kept for longer
    with pytest.raises(PublicationOutdated):
        target.publish(documents_of(0), Generation(NOON, 0))


def test_a_bucket_that_does_not_exist(bucket: BucketUnderTest) -> None:
    name = "bucket" if bucket.kind == "s3" else "container"
    absent = BucketUnderTest(bucket.kind, {**bucket.settings, name: "absent"}, bucket.environment)
    with pytest.raises(BucketNotFound, match="absent does not exist"):
        BucketTarget(absent.objects("x")).publish(documents_of(1), Generation(NOON, 1))


def test_credentials_that_may_not_write(
    bucket: BucketUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bucket.kind == "s3":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    else:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "AAAA")
    with pytest.raises(BucketDenied, match="HTTP 403") as denied:
        BucketTarget(bucket.objects("denied")).publish(documents_of(1), Generation(NOON, 1))
    assert SECRET not in denied.value.diagnostic()


async def test_the_command_publishes_and_reads_back(
    bucket: BucketUnderTest, sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    files = {"name": "files", "directory": {"path": str(tmp_path)}}
    stored = {
        "name": "stored",
        bucket.kind: {**bucket.settings, "prefix": "command"},
        "public_url": f"{bucket.url}/command",
    }
    config = tmp_path / "issuer.yaml"
    content = {
        "trust_domain": "example.org",
        "issuer": {"url": "https://issuer.example.org"},
        "sources": [{"name": "east", "workload_api": {"address": workload.address}}],
        "publish": {"targets": [files, stored]},
    }
    config.write_text(json.dumps(content))
    for expected in ("written", "unchanged"):
        ended = await run("publish", "--config", str(config), "--once", "--output", "json")
        assert (ended.status, ended.err) == (0, "")
        in_files, in_bucket = ended.json()["targets"]
        assert [len(of[expected]) for of in (in_files, in_bucket)] == [2, 2]
        assert in_bucket["visible"] is True
    there = bucket.objects("command").get("keys")
    assert there is not None
    assert there.data == (tmp_path / "keys").read_bytes()
    assert {key["kid"] for key in json.loads(there.data)["keys"]} == {
        key.key_id for key in sandbox.jwt.keys
    }


def test_two_publishers_100_changes_and_random_kills(bucket: BucketUnderTest) -> None:
    rng = random.Random(4)
    publishers = [PublisherProcess(bucket, "race") for _ in range(2)]
    kills = 0
    with reading(bucket, "race") as seen:
        for number in range(1, CHANGES + 1):
            # changes that come together are one, and not the same ones to each
            for publisher in rng.sample(publishers, rng.choice([1, 2, 2])):
                publisher.offer(number)
            time.sleep(rng.uniform(0, 0.1))
            if rng.random() < 0.15:
                rng.choice(publishers).kill()
                kills += 1
        for publisher in publishers:
            publisher.offer(CHANGES)
        outcomes = [publisher.outcomes() for publisher in publishers]
    assert [last for *_, last in outcomes] == [str(CHANGES)] * 2
    assert {o for told in outcomes for o in told if not o.isdigit()} <= {"PUBLICATION_OUTDATED"}
    assert kills > 5
    objects = bucket.objects("race")
    for name, document in (
        ("keys", documents_of(CHANGES).jwks),
        (".well-known/openid-configuration", documents_of(CHANGES).discovery),
    ):
        there = objects.get(name)
        assert there is not None
        assert there.data == document.body
    assert seen == sorted(seen), "a reader saw an older set after a newer one"
    assert len(set(seen)) > CHANGES / 5


@contextmanager
def reading(bucket: BucketUnderTest, prefix: str) -> Iterator[list[int]]:
    """Reads the key set all the time; the numbers of the sets that were seen."""
    seen: list[int] = []
    over = threading.Event()

    def read() -> None:
        objects = bucket.objects(prefix)
        while not over.wait(0.005):
            there = objects.get("keys")
            if there is not None:
                [key] = json.loads(there.data)["keys"]
                seen.append(int(key["kid"]))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
