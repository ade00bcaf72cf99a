"""Documents at a target: what the sources tell, once or at every change."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from issuer_at_work import Clock, one_issuer, settings_for, source, until
from loopback_http import ask
from prometheus_client.parser import text_string_to_metric_families

from spire_bridge.bundles.store import SETTLING_SECONDS
from spire_bridge.errors import EXIT_UNAVAILABLE
from spire_bridge.files.errors import FileFailure
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.listen.address import ListenAddress
from spire_bridge.publish.directory import DirectoryTarget
from spire_bridge.publish.generation import Generation, PublicationOutdated
from spire_bridge.publish.object_store import BucketUnavailable
from spire_bridge.publish.target import Publication, Target
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service import listener_metrics
from spire_bridge.service.publishing.metrics import FAMILIES
from spire_bridge.service.publishing.service import NoBundle, Publisher, PublishService
from spire_bridge.service.publishing.targets import NamedTarget, configured_targets
from spire_bridge.service.settings.serve import OneIssuerSettings
from spire_bridge.transport.backoff import Backoff

ABSENT = {"name": "absent", "workload_api": {"address": "unix:///nowhere/agent.sock"}}
SHORT, LONG = 0.5, 20.0
NOTHING = Documents.of(IssuerUrl.parse("https://issuer.example.org"), KeySet(()))


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


def publisher(settings: OneIssuerSettings, *targets: Target, **changes: Any) -> Publisher:
    """Of the issuer, at these targets, called t0, t1 and so on."""
    (url,) = settings.issuer.issuer_urls()
    named = (NamedTarget(f"t{number}", url, target) for number, target in enumerate(targets))
    made = Publisher(settings, named, **changes)
    for target in made.targets:
        target.backoff = Backoff(initial=0.01, maximum=0.05)
    return made


async def once(
    settings: OneIssuerSettings, target: Target, timeout_seconds: float = LONG
) -> Publication:
    """At one target, whose error is raised."""
    (outcome,) = await publisher(settings, target).once(timeout_seconds)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.publication is not None
    return outcome.publication


@asynccontextmanager
async def watching(settings: OneIssuerSettings, shelf: Shelf) -> AsyncIterator[Shelf]:
    async with publisher(settings, shelf).running():
        yield shelf


@dataclass
class HeldShelf(Shelf):
    """A target that takes its time."""

    release: threading.Event = field(default_factory=threading.Event)

    def publish(self, documents: Documents, generation: Generation) -> Publication:
        assert self.release.wait(LONG)
        return super().publish(documents, generation)


def keys_in(site: Path) -> set[str]:
    try:
        jwks = json.loads((site / "keys").read_text())
    except FileNotFoundError:
        return set()
    return {key["kid"] for key in jwks["keys"]}


async def failures_of(publisher: Publisher) -> bool:
    """Whether something has gone wrong at its only target."""
    (target,) = publisher.targets
    return target.state.failures > 0


def keys_of(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


async def test_once_publishes_what_the_source_tells(
    sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    settings = one_issuer(workload)
    publication = await once(settings, DirectoryTarget(tmp_path), LONG)
    assert len(publication.written) == 2
    jwks = json.loads((tmp_path / "keys").read_text())
    assert {key["kid"] for key in jwks["keys"]} == keys_of(sandbox)
    again = await once(settings, DirectoryTarget(tmp_path), LONG)
    assert (again.written, len(again.unchanged)) == ((), 2)


async def test_once_takes_the_time_of_the_bundle(workload: Workload) -> None:
    shelf, started = Shelf(), time.time()
    await once(one_issuer(workload), shelf, LONG)
    [(_, generation)] = shelf.kept
    known_at = generation.confirmed_at + SETTLING_SECONDS  # it may be as old as that
    assert started <= known_at <= time.time()


async def test_once_waits_for_every_source(sandbox: SandboxTrustDomain, workload: Workload) -> None:
    west = await sandbox.start_cluster("west")
    other = await west.add_workload("web", Entry("spiffe://example.org/web"))
    west.hold_bundles()
    new = sandbox.jwt.prepare()
    shelf = Shelf()
    await once(one_issuer(other, workload), shelf, LONG)
    assert await shelf.newest() is not None
    assert new in shelf.kept[0][0]


async def test_once_does_not_wait_for_a_source_that_has_ended(workload: Workload) -> None:
    workload.fault = Fault.UNIMPLEMENTED
    started = time.monotonic()
    with pytest.raises(NoBundle, match=r"source east: .*\[UNIMPLEMENTED\]"):
        await once(one_issuer(workload), Shelf(), LONG)
    assert time.monotonic() - started < LONG / 2


async def test_once_does_not_wait_for_an_answer_after_one_that_was_refused(
    workload: Workload,
) -> None:
    workload.jwks = b"{}"
    started = time.monotonic()
    with pytest.raises(NoBundle, match=r"source east: .*\[BUNDLE_INVALID\]"):
        await once(one_issuer(workload), Shelf(), LONG)
    assert time.monotonic() - started < LONG / 2


async def test_once_publishes_what_there_is_when_the_time_is_up(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    shelf = Shelf()
    settings = one_issuer(sources=[ABSENT, source(workload)])
    await once(settings, shelf, SHORT)
    assert await shelf.newest() == keys_of(sandbox)


async def test_once_without_a_bundle_says_why_and_publishes_nothing() -> None:
    shelf = Shelf()
    with pytest.raises(NoBundle, match=r"source absent: .*\[SOCKET_MISSING\]") as failure:
        await once(one_issuer(sources=[ABSENT]), shelf, SHORT)
    assert failure.value.exit_status == EXIT_UNAVAILABLE
    assert shelf.kept == []


async def test_once_falls_back_on_the_last_good_copy_as_old_as_it_is(
    sandbox: SandboxTrustDomain, cluster: Cluster, workload: Workload, tmp_path: Path
) -> None:
    settings = one_issuer(workload, last_good={"path": str(tmp_path / "copy.json")})
    shelf = Shelf()
    await once(settings, shelf, LONG)
    await cluster.stop()
    await asyncio.sleep(0.1)
    now = time.time()
    await once(settings, shelf, SHORT)
    (keys, _), (again, generation) = shelf.kept
    assert again == keys == keys_of(sandbox)
    assert generation.confirmed_at <= now


async def test_once_passes_on_what_the_target_says(workload: Workload) -> None:
    shelf = Shelf([PublicationOutdated("newer"), FileFailure("full")])
    for refusal in (PublicationOutdated, FileFailure):
        with pytest.raises(refusal):
            await once(one_issuer(workload), shelf, LONG)


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


async def test_a_failure_is_logged_once_and_tried_again(
    sandbox: SandboxTrustDomain, workload: Workload, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf([FileFailure("no room") for _ in range(3)])
    async with watching(one_issuer(workload), shelf):
        await until(shelf.newest, keys_of(sandbox))
    failures = [r for r in caplog.records if r.getMessage() == "documents were not published"]
    assert [(r.levelname, vars(r)["code"], vars(r)["reason"]) for r in failures] == [
        ("ERROR", "FILE_FAILED", "no room")
    ]
    assert len(shelf.kept) == 1


async def test_a_refusal_is_logged_once_and_tried_again(
    sandbox: SandboxTrustDomain, workload: Workload, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf([PublicationOutdated("a newer set is there") for _ in range(3)])
    async with watching(one_issuer(workload), shelf):
        await until(shelf.newest, keys_of(sandbox))
    assert caplog.text.count("documents were refused") == 1


async def test_once_waits_until_a_first_word_has_settled(
    sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    """Somebody published a moment ago, and has not heard yet of what this agent tells."""
    target, clock = DirectoryTarget(tmp_path), Clock()
    target.publish(NOTHING, Generation(clock() - 1))
    with pytest.raises(PublicationOutdated):
        await once(one_issuer(workload), target, SHORT)
    made = publisher(one_issuer(workload), target, clock=clock)
    task = asyncio.create_task(made.once(LONG))
    await until(partial(failures_of, made), True)
    clock.ahead = SETTLING_SECONDS
    (outcome,) = await task
    assert outcome.error is None
    assert keys_in(tmp_path) == keys_of(sandbox)


async def test_once_does_not_wait_where_that_is_of_no_use(
    workload: Workload, tmp_path: Path
) -> None:
    target = DirectoryTarget(tmp_path)
    target.publish(NOTHING, Generation(time.time() + 60))
    started = time.monotonic()
    with pytest.raises(PublicationOutdated):
        await once(one_issuer(workload), target)
    assert time.monotonic() - started < SETTLING_SECONDS / 2


async def test_a_publisher_that_starts_on_a_lagging_agent_replaces_nothing_newer(
    sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    west = await sandbox.start_cluster("west")
    other = await west.add_workload("web", Entry("spiffe://example.org/web"))

    async def there() -> set[str]:
        return keys_in(tmp_path)

    async with publisher(one_issuer(workload), DirectoryTarget(tmp_path)).running():
        await until(there, keys_of(sandbox))
        west.hold_bundles()
        sandbox.jwt.prepare()
        await until(there, keys_of(sandbox))
        late = publisher(one_issuer(other), DirectoryTarget(tmp_path))
        async with late.running():
            await until(partial(failures_of, late), True)
            assert keys_in(tmp_path) == keys_of(sandbox)
            (state,) = (target.state for target in late.targets)
            assert isinstance(state.error, PublicationOutdated)
            west.release_bundles()

            async def is_up_to_date() -> bool:
                return state.error is None and state.behind_since is None

            await until(is_up_to_date, True)
            assert keys_in(tmp_path) == keys_of(sandbox)


async def test_one_target_that_fails_holds_up_no_other(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    held, bad, good = HeldShelf(), Shelf([FileFailure("no room")] * 1000), Shelf()
    made = publisher(one_issuer(workload), held, bad, good)
    async with made.running():
        await until(good.newest, keys_of(sandbox))
        sandbox.jwt.prepare()
        await until(good.newest, keys_of(sandbox))
        verdict = made.readyz()
        assert verdict["ready"]  # there is time left
        by_name = {target["name"]: target for target in verdict["targets"]}
        assert by_name["t2"]["last_error"] is None
        assert by_name["t2"]["behind_seconds"] is None
        assert by_name["t1"]["last_error"] == {"code": "FILE_FAILED", "message": "no room"}
        assert by_name["t0"]["behind_seconds"] >= 0
        held.release.set()
        await until(held.newest, keys_of(sandbox))


async def test_once_tells_of_each_target(sandbox: SandboxTrustDomain, workload: Workload) -> None:
    bad, good = Shelf([FileFailure("no room")]), Shelf()
    first, second = await publisher(one_issuer(workload), bad, good).once(LONG)
    assert isinstance(first.error, FileFailure)
    assert (first.target, first.publication) == ("t0", None)
    assert (second.target, second.error) == ("t1", None)
    assert await good.newest() == keys_of(sandbox)


async def test_once_tries_again_where_that_may_help(workload: Workload) -> None:
    shelf = Shelf([BucketUnavailable("503")] * 3)
    await once(one_issuer(workload), shelf)
    assert len(shelf.kept) == 1
    with pytest.raises(BucketUnavailable):
        await once(one_issuer(workload), Shelf([BucketUnavailable("503")] * 1000), SHORT)


async def test_readiness_fails_for_a_target_that_stays_behind(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    clock, bad = Clock(), Shelf([FileFailure("no room")] * 100_000)
    settings = one_issuer(workload, publish={"max_behind_seconds": 60})
    made = publisher(settings, bad, clock=clock)
    async with made.running():
        await until(partial(failures_of, made), True)
        assert made.readyz()["ready"]
        clock.ahead = 61
        verdict = made.readyz()
        assert not verdict["ready"]
        [reason] = verdict["reasons"]
        assert re.fullmatch(
            r"target t0: it lacks the newest documents for 6\d s: no room \[FILE_FAILED\]", reason
        )
        bad.refusals.clear()
        await until(bad.newest, keys_of(sandbox))

        async def is_ready() -> bool:
            ready: bool = made.readyz()["ready"]
            return ready

        await until(is_ready, True)


async def test_health_is_served_while_it_watches(workload: Workload, tmp_path: Path) -> None:
    settings = settings_for(
        workload, publish={"targets": [{"name": "files", "directory": {"path": str(tmp_path)}}]}
    )
    service = PublishService(settings, configured_targets(settings))
    async with service.running() as address:
        assert isinstance(address, ListenAddress)

        async def readyz() -> int:
            return (await ask(address, "/readyz")).status

        await until(readyz, 200)
        assert (await ask(address, "/livez")).body == b"ok\n"

        async def samples() -> dict[str, float]:
            text = (await ask(address, "/metrics")).body.decode()
            families = list(text_string_to_metric_families(text))
            assert {family.name for family in families} == {
                family.name for family in (*FAMILIES, *listener_metrics.FAMILIES)
            }
            found = [sample for family in families for sample in family.samples]
            assert {tuple(s.labels.items()) for s in found} == {
                (("issuer", "example.org"), ("target", "files"))
            }
            return {
                s.name.removeprefix("spire_bridge_publish_"): s.value
                for s in found
                if not s.name.endswith("timestamp_seconds")
            }

        await until(
            samples,
            {
                "behind_seconds": 0,
                "error": 0,
                "documents_written_total": 2,
                "documents_unchanged_total": 0,
                "failures_total": 0,
            },
        )


async def test_two_publishers_share_a_directory(
    sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    west = await sandbox.start_cluster("west")
    other = await west.add_workload("web", Entry("spiffe://example.org/web"))

    async def there() -> set[str]:
        return keys_in(tmp_path)

    stack = AsyncExitStack()
    for of in (workload, other):
        made = publisher(one_issuer(of), DirectoryTarget(tmp_path))
        await stack.enter_async_context(made.running())
    await until(there, keys_of(sandbox))
    for _ in range(5):
        sandbox.jwt.prepare()
        sandbox.jwt.activate()
        await until(there, keys_of(sandbox))
    await asyncio.sleep(0.2)
    assert await there() == keys_of(sandbox)
    await stack.aclose()
