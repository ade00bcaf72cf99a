"""Documents at a target: what the sources tell, once or at every change."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from issuer_at_work import one_issuer, source, until

from spire_bridge.errors import EXIT_UNAVAILABLE
from spire_bridge.files import FileFailure
from spire_bridge.issuer.documents import Documents
from spire_bridge.publish.directory import DirectoryTarget
from spire_bridge.publish.generation import Generation, PublicationOutdated
from spire_bridge.publish.target import Publication
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.publish import NoBundle, Publisher
from spire_bridge.service.settings import OneIssuerSettings
from spire_bridge.transport.backoff import Backoff

ABSENT = {"name": "absent", "workload_api": {"address": "unix:///nowhere/agent.sock"}}
SHORT, LONG = 0.5, 20.0


@dataclass
class Shelf:
    """A target that refuses as often as it is told to, and then keeps what it is given."""

    refusals: list[Exception] = field(default_factory=list)
    kept: list[tuple[set[str], Generation]] = field(default_factory=list)

    def publish(self, documents: Documents, generation: Generation) -> Publication:
        if self.refusals:
            raise self.refusals.pop(0)
        keys = {key["kid"] for key in json.loads(documents.jwks.body)["keys"]}
        self.kept.append((keys, generation))
        return Publication(("keys",), ())

    async def newest(self) -> set[str] | None:
        return self.kept[-1][0] if self.kept else None


@asynccontextmanager
async def watching(settings: OneIssuerSettings, shelf: Shelf) -> AsyncIterator[Shelf]:
    publisher = Publisher(settings, shelf, backoff=Backoff(initial=0.01, maximum=0.05))
    task = asyncio.create_task(publisher.watch())
    try:
        yield shelf
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})


def keys_of(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


async def test_once_publishes_what_the_source_tells(
    sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    settings = one_issuer(workload)
    publication = await Publisher(settings, DirectoryTarget(tmp_path)).once(LONG)
    assert len(publication.written) == 2
    jwks = json.loads((tmp_path / "keys").read_text())
    assert {key["kid"] for key in jwks["keys"]} == keys_of(sandbox)
    again = await Publisher(settings, DirectoryTarget(tmp_path)).once(LONG)
    assert (again.written, len(again.unchanged)) == ((), 2)


async def test_once_takes_the_time_of_the_bundle(workload: Workload) -> None:
    shelf, started = Shelf(), time.time()
    await Publisher(one_issuer(workload), shelf).once(LONG)
    [(_, generation)] = shelf.kept
    assert started <= generation.confirmed_at <= time.time()


async def test_once_waits_for_every_source(sandbox: SandboxTrustDomain, workload: Workload) -> None:
    west = await sandbox.start_cluster("west")
    other = await west.add_workload("web", Entry("spiffe://example.org/web"))
    west.hold_bundles()
    new = sandbox.jwt.prepare()
    shelf = Shelf()
    await Publisher(one_issuer(other, workload), shelf).once(LONG)
    assert await shelf.newest() is not None
    assert new in shelf.kept[0][0]


async def test_once_does_not_wait_for_a_source_that_has_ended(workload: Workload) -> None:
    workload.fault = Fault.UNIMPLEMENTED
    started = time.monotonic()
    with pytest.raises(NoBundle, match=r"source east: .*\[UNIMPLEMENTED\]"):
        await Publisher(one_issuer(workload), Shelf()).once(LONG)
    assert time.monotonic() - started < LONG / 2


async def test_once_does_not_wait_for_an_answer_after_one_that_was_refused(
    workload: Workload,
) -> None:
    workload.jwks = b"{}"
    started = time.monotonic()
    with pytest.raises(NoBundle, match=r"source east: .*\[BUNDLE_INVALID\]"):
        await Publisher(one_issuer(workload), Shelf()).once(LONG)
    assert time.monotonic() - started < LONG / 2


async def test_once_publishes_what_there_is_when_the_time_is_up(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    shelf = Shelf()
    settings = one_issuer(sources=[ABSENT, source(workload)])
    await Publisher(settings, shelf).once(SHORT)
    assert await shelf.newest() == keys_of(sandbox)


async def test_once_without_a_bundle_says_why_and_publishes_nothing() -> None:
    shelf = Shelf()
    with pytest.raises(NoBundle, match=r"source absent: .*\[SOCKET_MISSING\]") as failure:
        await Publisher(one_issuer(sources=[ABSENT]), shelf).once(SHORT)
    assert failure.value.exit_status == EXIT_UNAVAILABLE
    assert shelf.kept == []


async def test_once_falls_back_on_the_last_good_copy_as_old_as_it_is(
    sandbox: SandboxTrustDomain, cluster: Cluster, workload: Workload, tmp_path: Path
) -> None:
    settings = one_issuer(workload, last_good={"path": str(tmp_path / "copy.json")})
    shelf = Shelf()
    await Publisher(settings, shelf).once(LONG)
    await cluster.stop()
    await asyncio.sleep(0.1)
    now = time.time()
    await Publisher(settings, shelf).once(SHORT)
    (keys, _), (again, generation) = shelf.kept
    assert again == keys == keys_of(sandbox)
    assert generation.confirmed_at <= now


async def test_once_passes_on_what_the_target_says(workload: Workload) -> None:
    shelf = Shelf([PublicationOutdated("newer"), FileFailure("full")])
    for refusal in (PublicationOutdated, FileFailure):
        with pytest.raises(refusal):
            await Publisher(one_issuer(workload), shelf).once(LONG)


async def test_every_change_is_published(sandbox: SandboxTrustDomain, workload: Workload) -> None:
    async with watching(one_issuer(workload), Shelf()) as shelf:
        await until(shelf.newest, keys_of(sandbox))
        [old] = keys_of(sandbox)
        new = sandbox.jwt.prepare()
        await until(shelf.newest, {old, new})
        sandbox.jwt.activate()
        sandbox.jwt.taint(old)
        sandbox.jwt.revoke(old)
        await until(shelf.newest, {new})
        times = [generation.confirmed_at for _, generation in shelf.kept]
        assert times == sorted(times)


async def test_an_agent_that_is_lost_changes_nothing(
    sandbox: SandboxTrustDomain, cluster: Cluster, workload: Workload
) -> None:
    async with watching(one_issuer(workload), Shelf()) as shelf:
        await until(shelf.newest, keys_of(sandbox))
        await cluster.stop()
        await asyncio.sleep(0.2)
        assert len(shelf.kept) == 1
        sandbox.jwt.prepare()
        await cluster.start()
        await until(shelf.newest, keys_of(sandbox))


async def test_a_failure_is_logged_and_tried_again(
    sandbox: SandboxTrustDomain, workload: Workload, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf([FileFailure("no room") for _ in range(3)])
    async with watching(one_issuer(workload), shelf):
        await until(shelf.newest, keys_of(sandbox))
    failures = [r for r in caplog.records if r.getMessage() == "documents were not published"]
    assert [(r.levelname, vars(r)["code"], vars(r)["reason"]) for r in failures] == [
        ("ERROR", "FILE_FAILED", "no room")
    ] * 3
    assert len(shelf.kept) == 1


async def test_a_refusal_is_logged_and_the_next_change_is_offered_again(
    sandbox: SandboxTrustDomain, workload: Workload, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf([PublicationOutdated("a newer set is there")])

    async def refusals() -> int:
        return caplog.text.count("documents were refused")

    async with watching(one_issuer(workload), shelf):
        await until(refusals, 1)
        await asyncio.sleep(0.2)
        assert (shelf.kept, await refusals()) == ([], 1)
        sandbox.jwt.prepare()
        await until(shelf.newest, keys_of(sandbox))
    assert "ERROR" in {r.levelname for r in caplog.records}


async def test_two_publishers_share_a_directory(
    sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    west = await sandbox.start_cluster("west")
    other = await west.add_workload("web", Entry("spiffe://example.org/web"))

    async def there() -> set[str]:
        try:
            jwks = json.loads((tmp_path / "keys").read_text())
        except FileNotFoundError:
            return set()
        return {key["kid"] for key in jwks["keys"]}

    tasks = [
        asyncio.create_task(Publisher(one_issuer(w), DirectoryTarget(tmp_path)).watch())
        for w in (workload, other)
    ]
    await until(there, keys_of(sandbox))
    for _ in range(5):
        sandbox.jwt.prepare()
        sandbox.jwt.activate()
        await until(there, keys_of(sandbox))
    await asyncio.sleep(0.2)
    assert await there() == keys_of(sandbox)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
