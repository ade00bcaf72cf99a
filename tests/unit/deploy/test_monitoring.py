"""The dashboard and the alert rules ask only for metrics that the services have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from discovery_providers.certificates import write_pair
from issuer_at_work import LOOPBACK, settings_for, source, until
from loopback_http import ask
from prometheus_client.parser import text_string_to_metric_families

from spire_bridge.listen.address import ListenAddress
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service import listener_metrics
from spire_bridge.service.issuing import metrics as issuer_metrics
from spire_bridge.service.issuing.service import IssuerService
from spire_bridge.service.publishing import metrics as publish_metrics
from spire_bridge.service.publishing.service import PublishService
from spire_bridge.service.publishing.targets import configured_targets

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "issuer.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]

FAMILIES = (
    *issuer_metrics.FAMILIES,
    *listener_metrics.FAMILIES,
    *publish_metrics.FAMILIES,
)
OF_PROMETHEUS = {"up"}  # what it adds to each scrape

# What is no metric in an expression, once its texts are gone: label matchers, ranges,
# aggregations with their labels, labels to match on, functions, words between operands.
NO_METRIC = re.compile(
    r"\{[^}]*\}|\[[^]]*\]|[a-z]+ (?:by|without) \([^)]*\)|(?:on|ignoring) \([^)]*\)"
    r"|[a-z_0-9]+\(|\boffset \w+|\b(?:and|or|unless|bool)\b"
)
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def metrics_of(expression: str) -> set[str]:
    without_texts = re.sub(r'"[^"]*"', "", expression)
    return set(NAME.findall(NO_METRIC.sub(" ", without_texts)))


def expressions(node: Any) -> Iterator[str]:
    """What the dashboard asks for, in panels and in variables."""
    if isinstance(node, dict):
        if "expr" in node:
            yield node["expr"]
        query = node.get("query")
        if isinstance(query, str) and (label := re.fullmatch(r"label_values\((.*), \w+\)", query)):
            yield label[1]
        for child in node.values():
            yield from expressions(child)
    elif isinstance(node, list):
        for child in node:
            yield from expressions(child)


USED = set[str]().union(
    *(metrics_of(expression) for expression in expressions(DASHBOARD)),
    *(metrics_of(rule["expr"]) for rule in RULES),
)


def test_names_are_found_in_an_expression() -> None:
    expression = (
        'max by (job, instance) (a_total{job="b"}) != on (job) sum(rate(c[5m])) or absent(d)'
        " unless e offset 1h < time() + 60"
    )
    assert metrics_of(expression) == {"a_total", "c", "d", "e"}


def test_only_families_of_the_services_are_used() -> None:
    known = {f"{f.name}_total" if f.is_counter else f.name for f in FAMILIES}
    assert known >= USED - OF_PROMETHEUS
    assert len(USED - OF_PROMETHEUS) >= 25


async def test_whatever_is_used_is_in_a_scrape(
    sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    """A family that nothing counts would leave a panel empty and an alert asleep."""
    server = {"name": "server", "server_api": {"address": await sandbox.start_server_api()}}
    certificate, key = write_pair(tmp_path, "localhost")
    target = {
        "name": "files",
        "directory": {"path": str(tmp_path)},
        "public_url": "http://127.0.0.1:1",
    }
    settings = settings_for(
        sources=[source(workload), server],
        issuer={"url": "https://issuer.example.org:8443", "max_keys": 1},  # AWS refuses a port
        health={**LOOPBACK, "tls": {"certificate": str(certificate), "key": str(key)}},
        publish={"targets": [target]},
    )
    sandbox.jwt.prepare()  # one key too many
    issuer = IssuerService(settings)
    publisher = PublishService(settings, configured_targets(settings))
    async with issuer.running() as addresses, publisher.running():
        assert isinstance(addresses.issuer, ListenAddress)
        await ask(addresses.issuer, "/keys")

        async def missing() -> set[str]:
            told = scraped(issuer.exposition()) | scraped(publisher.exposition())
            return USED - OF_PROMETHEUS - told

        await until(missing, set())


def scraped(exposition: bytes) -> set[str]:
    families = text_string_to_metric_families(exposition.decode())
    return {sample.name for family in families for sample in family.samples}


def test_an_alert_says_how_bad_it_is_and_what_it_means() -> None:
    for rule in RULES:
        assert rule["alert"].startswith("SpireBridge")
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_every_alert_is_tried() -> None:
    """On series that are written down, and on what a service tells after the fault."""
    peers = DEPLOY.parent / "tests" / "peers" / "test_alerts.py"
    for trials in (DEPLOY / "prometheus" / "alerts_test.yaml", peers):
        named = set(re.findall(r"SpireBridge\w+", trials.read_text()))
        assert {rule["alert"] for rule in RULES} - named == set()


def test_every_alert_is_explained() -> None:
    explained = re.findall(r"(?m)^\| `(\w+)` \| .", (DEPLOY / "README.md").read_text())
    assert [f"SpireBridge{name}" for name in sorted(explained)] == sorted(
        rule["alert"] for rule in RULES
    )


def test_panels_have_their_own_number_and_place() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (column, row)
        for place in (panel["gridPos"] for panel in panels)
        for column in range(place["x"], place["x"] + place["w"])
        for row in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(column for column, _ in cells) < 24
