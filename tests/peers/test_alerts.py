"""Every alert fires on what a service tells after its fault, and is silent before."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from alerting import NOTHING, PROMTOOL, RULES, Scrape, check, promtool, scrape, unanswered
from command_line import serving as process_serving
from discovery_providers.certificates import write_pair
from issuer_at_work import LOOPBACK, Clock, IssuerAtWork, issuing, settings_for, source, until
from loopback_http import ask

from spire_bridge.listen.http import Request, Response, text
from spire_bridge.listen.server import serving
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.jwt_authority import KeyType
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.publishing.service import PublishService
from spire_bridge.service.publishing.targets import configured_targets

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool not found on PATH")

DAY_SECONDS = 86_400
KEYS, WELL_KNOWN = "/keys", "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Watched:
    """An issuer over two clusters, with the clock that it goes by."""

    at_work: IssuerAtWork
    clock: Clock
    sandbox: SandboxTrustDomain
    east: Cluster
    west: Cluster

    async def serves_all(self) -> None:
        await self.at_work.serves({key.key_id for key in self.sandbox.jwt.keys})

    async def is_lagging(self) -> bool:
        return any([(await self.at_work.source(name))["lagging"] for name in ("east", "west")])

    async def scrape(self) -> Scrape:
        return await scrape(self.at_work.addresses.health, self.clock)


async def all_connected(at_work: IssuerAtWork) -> None:
    """Returns once every source is: a reload or a start has them connect anew."""

    async def unconnected() -> list[str]:
        _, verdict = await at_work.readyz()
        return [source["name"] for source in verdict["sources"] if not source["connected"]]

    await until(unconnected, [])


async def workloads_of(*clusters: Cluster) -> list[Workload]:
    return [
        await cluster.add_workload("web", Entry("spiffe://example.org/web")) for cluster in clusters
    ]


@asynccontextmanager
async def watched(sandbox: SandboxTrustDomain, **changes: Any) -> AsyncIterator[Watched]:
    clusters = [await sandbox.start_cluster(name) for name in ("east", "west")]
    clock = Clock()
    settings = settings_for(*await workloads_of(*clusters), **changes)
    async with issuing(settings, clock) as at_work:
        issuer = Watched(at_work, clock, sandbox, *clusters)
        await issuer.serves_all()
        await until(issuer.is_lagging, False)
        await all_connected(at_work)
        yield issuer


async def test_the_rules_and_their_own_tests_pass() -> None:
    await promtool("check", "rules", str(RULES))
    await promtool("test", "rules", str(RULES.with_name("alerts_test.yaml")))


async def test_the_dashboard_asks_in_valid_expressions(tmp_path: Path) -> None:
    dashboard = json.loads((RULES.parents[1] / "grafana" / "issuer.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel_{n}", "expr": text} for n, text in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    await promtool("check", "rules", str(file))


async def test_a_wrong_expectation_is_noticed(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        healthy = await issuer.scrape()
        with pytest.raises(AssertionError, match="SpireBridgeNoKeys"):
            await check(tmp_path, healthy, healthy, {("SpireBridgeNoKeys", "")})


async def test_an_alert_before_the_fault_is_noticed(
    sandbox: SandboxTrustDomain, tmp_path: Path
) -> None:
    async with watched(sandbox) as issuer:
        with pytest.raises(AssertionError, match="SpireBridgeNotScraped"):
            await check(tmp_path, unanswered(), await issuer.scrape(), set())


async def test_an_issuer_that_does_not_answer(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        healthy = await issuer.scrape()
    await check(tmp_path, healthy, unanswered(), {("SpireBridgeNotScraped", "")})


async def test_a_lost_source(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        before = await issuer.scrape()
        await issuer.east.stop()
        await issuer.at_work.reports("east", "SOCKET_MISSING")
        await check(tmp_path, before, await issuer.scrape(), {("SpireBridgeSourceLost", "east")})


@pytest.mark.parametrize("days", [0.1, 1.1])
async def test_all_sources_lost(sandbox: SandboxTrustDomain, tmp_path: Path, days: float) -> None:
    async with watched(sandbox) as issuer:
        before = await issuer.scrape()
        for cluster in (issuer.east, issuer.west):
            await cluster.stop()
            await issuer.at_work.reports(cluster.name, "SOCKET_MISSING")
        issuer.clock.ahead = days * DAY_SECONDS
        expected = {
            ("SpireBridgeSourceLost", "east"),
            ("SpireBridgeSourceLost", "west"),
            ("SpireBridgeAllSourcesLost", ""),
            ("SpireBridgeBundleOld", ""),
        }
        if days > 1:
            expected.add(("SpireBridgeNotReady", ""))
        await check(tmp_path, before, await issuer.scrape(), expected)


async def test_a_source_that_lacks_a_new_key(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        before = await issuer.scrape()
        issuer.east.hold_bundles()
        sandbox.jwt.prepare()
        await issuer.serves_all()
        after = await issuer.scrape()
        await check(tmp_path, before, after, {("SpireBridgeSourceLagging", "east")})
        issuer.east.release_bundles()
        await until(issuer.is_lagging, False)
        await check(tmp_path, before, await issuer.scrape(), set())


async def test_every_key_revoked(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        before = await issuer.scrape()
        [only] = sandbox.jwt.keys
        sandbox.jwt.revoke(only.key_id)
        await issuer.at_work.serves(set())
        await check(tmp_path, before, await issuer.scrape(), {("SpireBridgeNoKeys", "")})


async def test_an_issuer_that_never_heard_of_a_key(
    sandbox: SandboxTrustDomain, tmp_path: Path
) -> None:
    east = await sandbox.start_cluster("east")
    [workload] = await workloads_of(east)
    await east.stop()
    async with issuing(settings_for(workload)) as at_work:
        await at_work.reports("east", "SOCKET_MISSING")
        expected = {
            ("SpireBridgeSourceLost", "east"),
            ("SpireBridgeAllSourcesLost", ""),
            ("SpireBridgeNoKeys", ""),
            ("SpireBridgeNotReady", ""),
        }
        after = await scrape(at_work.addresses.health, time.time)
        await check(tmp_path, NOTHING, after, expected)


async def test_a_server_that_makes_no_new_key(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    """An hour before the last one expires; the agent beside it tells no expiry."""
    east = await sandbox.start_cluster("east")
    address = await sandbox.start_server_api()
    server = {"name": "server", "server_api": {"address": address, "interval_seconds": 0.5}}
    sources = [server, *(source(workload) for workload in await workloads_of(east))]
    clock = Clock()
    async with issuing(settings_for(sources=sources), clock) as at_work:
        await at_work.serves({key.key_id for key in sandbox.jwt.keys})

        async def expiry_is_known() -> bool:
            status = (await ask(at_work.addresses.health, "/status")).json()
            return all(key["expires_at"] for key in status["issuers"][0]["key_history"])

        async def is_current() -> bool:
            _, verdict = await at_work.readyz()
            return bool(verdict["bundle_age_seconds"] < 60)

        await until(expiry_is_known, True)
        await all_connected(at_work)
        before = await scrape(at_work.addresses.health, clock)
        clock.ahead = 23.5 * 3600
        await until(is_current, True)
        after = await scrape(at_work.addresses.health, clock)
        await check(tmp_path, before, after, {("SpireBridgeKeysExpire", "")})


async def test_replicas_that_disagree(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    east, west = [await sandbox.start_cluster(name) for name in ("east", "west")]
    first, second = [settings_for(workload) for workload in await workloads_of(east, west)]
    async with issuing(first) as a, issuing(second) as b:

        async def scrape_both() -> Scrape:
            both = [
                await scrape(one.addresses.health, time.time, name)
                for name, one in (("a:8081", a), ("b:8081", b))
            ]
            return both[0] | both[1]

        for one in (a, b):
            await one.serves({key.key_id for key in sandbox.jwt.keys})
        before = await scrape_both()
        west.hold_bundles()
        sandbox.jwt.prepare()
        await a.serves({key.key_id for key in sandbox.jwt.keys})
        await check(tmp_path, before, await scrape_both(), {("SpireBridgeReplicasDisagree", "")})


async def test_keys_that_change_all_the_time(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        before = await issuer.scrape()
        for _ in range(7):
            new = sandbox.jwt.prepare()
            await issuer.serves_all()
            sandbox.jwt.revoke(new)
            await issuer.serves_all()
        await until(issuer.is_lagging, False)
        await check(tmp_path, before, await issuer.scrape(), {("SpireBridgeKeysFlap", "")})


async def test_very_many_keys(tmp_path: Path) -> None:
    async with (
        SandboxTrustDomain("example.org", jwt_key_type=KeyType.EC_P256) as sandbox,
        watched(sandbox) as issuer,
    ):
        before = await issuer.scrape()
        for cluster in (issuer.east, issuer.west):
            cluster.hold_bundles()
        for _ in range(80):
            sandbox.jwt.prepare()
        for cluster in (issuer.east, issuer.west):
            cluster.release_bundles()
        await issuer.serves_all()
        await until(issuer.is_lagging, False)
        await check(tmp_path, before, await issuer.scrape(), {("SpireBridgeTooManyKeys", "")})


async def test_a_key_too_many_for_the_rules(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    rules = {"url": "https://issuer.example.org", "max_keys": 1}
    async with watched(sandbox, issuer=rules) as issuer:
        before = await issuer.scrape()
        sandbox.jwt.prepare()

        async def left_out() -> list[str]:
            status = (await ask(issuer.at_work.addresses.health, "/status")).json()
            return [key["state"] for key in status["issuers"][0]["key_history"]]

        await until(lambda: _sorted(left_out), ["left-out", "published"])
        await until(issuer.is_lagging, False)
        await check(tmp_path, before, await issuer.scrape(), {("SpireBridgeKeysLeftOut", "")})


async def _sorted(ask_again: Any) -> list[str]:
    return sorted(await ask_again())


async def test_a_key_that_signs_too_early(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    """Its agent signs with what it has not told of; an operator has begun to look."""
    east = await sandbox.start_cluster("east")
    [workload] = await workloads_of(east)
    blind, seeing = [
        settings_for(sources=[source(workload, watch_signing=watch)]) for watch in (False, True)
    ]
    async with issuing(blind) as at_work:
        await at_work.serves({key.key_id for key in sandbox.jwt.keys})
        before = await scrape(at_work.addresses.health, time.time)
        east.hold_bundles()
        sandbox.jwt.activate(sandbox.jwt.prepare())
        await at_work.issuer.reload(seeing)

        async def states() -> set[str]:
            status = (await ask(at_work.addresses.health, "/status")).json()
            return {key["state"] for key in status["issuers"][0]["key_history"]}

        await until(states, {"published", "unknown"})
        await all_connected(at_work)
        after = await scrape(at_work.addresses.health, time.time)
        await check(tmp_path, before, after, {("SpireBridgeKeySignedTooEarly", "")})


async def test_a_verifier_that_begins_to_refuse(
    sandbox: SandboxTrustDomain, tmp_path: Path
) -> None:
    """Entra takes RS256 alone. What it always refused is not told again."""
    async with watched(sandbox) as issuer:
        before = await issuer.scrape()
        sandbox.jwt.key_type = KeyType.EC_P256
        sandbox.jwt.prepare()
        await issuer.serves_all()
        await until(issuer.is_lagging, False)
        after = await issuer.scrape()
        await check(tmp_path, before, after, {("SpireBridgeVerifierRefuses", "")})
        await check(tmp_path, after, after, set())


async def test_a_configuration_that_is_refused(workload: Workload, tmp_path: Path) -> None:
    config = tmp_path / "issuer.yaml"
    settings = {
        "trust_domain": "example.org",
        "issuer": {"url": "https://issuer.example.org"},
        "sources": [source(workload)],
        "listen": LOOPBACK,
        "health": LOOPBACK,
        "log": {"format": "json"},
    }
    config.write_text(json.dumps(settings))
    async with process_serving(config) as at_work:

        async def ready() -> int:
            return (await ask(at_work.health, "/readyz")).status

        await until(ready, 200)
        before = await scrape(at_work.health, time.time)
        config.write_text("nonsense: true\n")
        at_work.service.process.send_signal(signal.SIGHUP)
        await at_work.service.logged("configuration was not reloaded; the old one stays in force")
        after = await scrape(at_work.health, time.time)
        await at_work.service.ends(signal.SIGTERM)
    await check(tmp_path, before, after, {("SpireBridgeReloadRefused", "")})


async def test_a_certificate_that_nobody_renews(workload: Workload, tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "localhost", days=30)
    tls = {"certificate": str(certificate), "key": str(key), "interval_seconds": 0.1}
    async with issuing(settings_for(workload, listen={**LOOPBACK, "tls": tls})) as at_work:

        async def told() -> float:
            scraped = await scrape(at_work.addresses.health, time.time)
            name = "spire_bridge_certificate_expiry_timestamp_seconds"
            [days] = [v for (found, _), v in scraped.samples.items() if found == name]
            return round(days / DAY_SECONDS, 1)

        async def ready() -> int:
            return (await at_work.readyz())[0]

        await until(ready, 200)
        before = await scrape(at_work.addresses.health, time.time)
        trials = ((0.5, "SpireBridgeCertificateExpires"), (-0.03, "SpireBridgeCertificateExpired"))
        for days, alert in trials:
            write_pair(tmp_path, "localhost", days=days)
            await until(told, round(days, 1))
            after = await scrape(at_work.addresses.health, time.time)
            await check(tmp_path, before, after, {(alert, "")})


@dataclass
class Cdn:
    """Shows a directory, or for as long as it likes what it once has seen there."""

    directory: Path
    kept: dict[str, bytes] | None = None

    def __call__(self, request: Request) -> Response:
        shown = self._seen() if self.kept is None else self.kept
        if request.path not in shown:
            return text(404, "not found")
        return Response(200, (("content-type", "application/json"),), shown[request.path])

    def keep(self) -> None:
        self.kept = self._seen()

    def _seen(self) -> dict[str, bytes]:
        files = ((path, self.directory / path.lstrip("/")) for path in (KEYS, WELL_KNOWN))
        return {path: file.read_bytes() for path, file in files if file.is_file()}


@dataclass(frozen=True)
class Publishing:
    """A publisher that fills a directory, behind a CDN."""

    health: object
    cdn: Cdn
    clock: Clock
    service: PublishService

    async def target(self) -> dict[str, Any]:
        [issuer] = self.service.readyz()["issuers"]
        [target] = issuer["targets"]
        return dict(target)

    async def is_healthy(self) -> bool:
        target = await self.target()
        return target["visible"] and target["behind_seconds"] is None and not target["last_error"]

    async def scrape(self) -> Scrape:
        return await scrape(self.health, self.clock)


@asynccontextmanager
async def publishing(workload: Workload, directory: Path) -> AsyncIterator[Publishing]:
    cdn, clock = Cdn(directory), Clock()
    async with serving(cdn, settings_for(workload).listen.place()) as address:
        target = {
            "name": "files",
            "directory": {"path": str(directory)},
            "public_url": f"http://{address}",
        }
        settings = settings_for(workload, publish={"targets": [target]})
        service = PublishService(settings, configured_targets(settings), clock=clock)
        async with service.running() as health:
            publisher = Publishing(health, cdn, clock, service)
            await until(publisher.is_healthy, True)
            yield publisher


async def test_a_target_that_takes_nothing(
    workload: Workload, sandbox: SandboxTrustDomain, tmp_path: Path
) -> None:
    directory = tmp_path / "site"
    async with publishing(workload, directory) as publisher:
        before = await publisher.scrape()
        (directory / "keys").unlink()
        (directory / "keys").mkdir()
        sandbox.jwt.prepare()

        async def is_failing() -> bool:
            target = await publisher.target()
            return bool(target["last_error"]) and target["behind_seconds"] is not None

        await until(is_failing, True)
        publisher.clock.ahead = 400
        after = await publisher.scrape()
        expected = {("SpireBridgeTargetBehind", ""), ("SpireBridgeTargetError", "")}
        await check(tmp_path, before, after, expected)


async def test_documents_that_nobody_sees(
    workload: Workload, sandbox: SandboxTrustDomain, tmp_path: Path
) -> None:
    async with publishing(workload, tmp_path / "site") as publisher:
        before = await publisher.scrape()
        publisher.cdn.keep()
        sandbox.jwt.prepare()

        async def is_hidden() -> bool:
            target = await publisher.target()
            return target["behind_seconds"] is None and target["visible"] is False

        await until(is_hidden, True)
        after = await publisher.scrape()
        await check(tmp_path, before, after, {("SpireBridgeTargetNotVisible", "")})
