"""Prometheus' own evaluation of the alert rules, on what an issuer tells after each fault."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from issuer_at_work import Clock, IssuerAtWork, issuing, settings_for, until
from loopback_http import ask
from prometheus_client.parser import text_string_to_metric_families

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain

PROMTOOL = shutil.which("promtool")
RULES = Path(__file__).parents[2] / "deploy" / "prometheus"
SCRAPED_AS = {"job": "spire-bridge", "instance": "issuer:8081"}
MINUTES = 20  # longer than any rule waits
PATIENCE_SECONDS = 30.0

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool not found on PATH")

Alerts = set[tuple[str, str]]  # each alert's name and its source, "" where it has none


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

    async def is_lagging(self) -> object:
        return (await self.at_work.source("east"))["lagging"]

    async def scrape(self) -> list[dict[str, str]]:
        return await scrape(self.at_work)


@asynccontextmanager
async def watched(sandbox: SandboxTrustDomain) -> AsyncIterator[Watched]:
    clusters = [await sandbox.start_cluster(name) for name in ("east", "west")]
    workloads = [
        await cluster.add_workload("web", Entry("spiffe://example.org/web")) for cluster in clusters
    ]
    clock = Clock()
    async with issuing(settings_for(*workloads), clock) as at_work:
        issuer = Watched(at_work, clock, sandbox, *clusters)
        await issuer.serves_all()
        for cluster in clusters:
            await at_work.reports(cluster.name, None)
        yield issuer


async def scrape(at_work: IssuerAtWork) -> list[dict[str, str]]:
    """The series that Prometheus would hold if every scrape told what this one tells."""
    answer = await ask(at_work.addresses.health, "/metrics")
    families = text_string_to_metric_families(answer.body.decode())
    samples = [sample for family in families for sample in family.samples]
    return [series("up", {}, 1.0), *(series(s.name, s.labels, s.value) for s in samples)]


def series(name: str, labels: dict[str, str], value: float) -> dict[str, str]:
    matchers = (f"{label}={json.dumps(text)}" for label, text in {**SCRAPED_AS, **labels}.items())
    return {"series": f"{name}{{{','.join(matchers)}}}", "values": f"{value:f}x{MINUTES}"}


async def check(folder: Path, told: list[dict[str, str]], expected: Alerts) -> None:
    """Fails with promtool's words unless exactly these alerts fire in the end."""
    fires = {
        "expr": 'count by (alertname, source) (ALERTS{alertstate="firing"})',
        "eval_time": f"{MINUTES}m",
        "exp_samples": [{"labels": labels(*alert), "value": 1} for alert in sorted(expected)],
    }
    test = {"interval": "1m", "input_series": told, "promql_expr_test": [fires]}
    await promtool_tests(folder, {"rule_files": [str(RULES / "alerts.yaml")], "tests": [test]})


def labels(alert: str, source: str) -> str:
    return f'{{alertname="{alert}"' + (f',source="{source}"}}' if source else "}")


async def promtool_tests(folder: Path, tests: dict[str, Any]) -> None:
    file = folder / "test.yaml"
    file.write_text(json.dumps(tests))  # which is YAML, too
    await promtool("test", "rules", str(file))


async def promtool(*arguments: str) -> None:
    assert PROMTOOL is not None
    process = await asyncio.create_subprocess_exec(
        PROMTOOL,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_the_rules_and_their_own_tests_pass() -> None:
    await promtool("check", "rules", str(RULES / "alerts.yaml"))
    await promtool("test", "rules", str(RULES / "alerts_test.yaml"))


async def test_the_dashboard_asks_in_valid_expressions(tmp_path: Path) -> None:
    dashboard = json.loads((RULES.parent / "grafana" / "issuer.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel_{n}", "expr": text} for n, text in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    await promtool("check", "rules", str(file))


async def test_a_healthy_issuer_raises_nothing(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        await check(tmp_path, await issuer.scrape(), set())


async def test_a_wrong_expectation_is_noticed(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        with pytest.raises(AssertionError, match="SpireBridgeNoKeys"):
            await check(tmp_path, await issuer.scrape(), {("SpireBridgeNoKeys", "")})


async def test_a_lost_source(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        await issuer.east.stop()
        await issuer.at_work.reports("east", "SOCKET_MISSING")
        await check(tmp_path, await issuer.scrape(), {("SpireBridgeSourceLost", "east")})


async def test_all_sources_lost_for_hours(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        for cluster in (issuer.east, issuer.west):
            await cluster.stop()
            await issuer.at_work.reports(cluster.name, "SOCKET_MISSING")
        issuer.clock.ahead = 2 * 3600
        expected = {
            ("SpireBridgeSourceLost", "east"),
            ("SpireBridgeSourceLost", "west"),
            ("SpireBridgeAllSourcesLost", ""),
            ("SpireBridgeBundleOld", ""),
        }
        await check(tmp_path, await issuer.scrape(), expected)


async def test_a_source_that_lacks_a_new_key(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        issuer.east.hold_bundles()
        sandbox.jwt.prepare()
        await issuer.serves_all()
        await check(tmp_path, await issuer.scrape(), {("SpireBridgeSourceLagging", "east")})
        issuer.east.release_bundles()
        await until(issuer.is_lagging, False)
        await check(tmp_path, await issuer.scrape(), set())


async def test_every_key_revoked(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    async with watched(sandbox) as issuer:
        [only] = sandbox.jwt.keys
        sandbox.jwt.revoke(only.key_id)
        await issuer.at_work.serves(set())
        await check(tmp_path, await issuer.scrape(), {("SpireBridgeNoKeys", "")})


async def test_an_issuer_that_never_heard_of_a_key(
    sandbox: SandboxTrustDomain, tmp_path: Path
) -> None:
    east = await sandbox.start_cluster("east")
    workload = await east.add_workload("web", Entry("spiffe://example.org/web"))
    await east.stop()
    async with issuing(settings_for(workload)) as at_work:
        await at_work.reports("east", "SOCKET_MISSING")
        expected = {
            ("SpireBridgeSourceLost", "east"),
            ("SpireBridgeAllSourcesLost", ""),
            ("SpireBridgeNoKeys", ""),
        }
        await check(tmp_path, await scrape(at_work), expected)


async def test_an_issuer_that_does_not_answer(tmp_path: Path) -> None:
    await check(tmp_path, [series("up", {}, 0.0)], {("SpireBridgeNotScraped", "")})
