"""Prometheus' own evaluation of the alert rules, on scrapes from before and after a fault."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopback_http import ask
from prometheus_client.parser import text_string_to_metric_families

from spire_bridge.listen.address import ListenAddress

PROMTOOL = shutil.which("promtool")
RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yaml"
# Longer than any rule looks back, and longer than any waits.
MINUTES_BEFORE, MINUTES_AFTER = 90, 20
PATIENCE_SECONDS = 30.0

Labels = tuple[tuple[str, str], ...]
Alerts = set[tuple[str, str]]  # each alert's name and its source, "" where it has none


@dataclass(frozen=True)
class Scrape:
    """Samples by name and labels. Moments are in seconds from the scrape."""

    samples: Mapping[tuple[str, Labels], float]

    def __or__(self, other: Scrape) -> Scrape:
        """Of two replicas."""
        return Scrape({**self.samples, **other.samples})

    def series(self, key: tuple[str, Labels], minute: int, count: int) -> str:
        """In promtool's notation, had every scrape from that minute on told the same."""
        if key not in self.samples:
            return f"_x{count}"
        # Its clock begins at the epoch.
        began = 60 * minute if key[0].endswith("_timestamp_seconds") else 0
        return f"{self.samples[key] + began:f}x{count - 1}"


NOTHING = Scrape({})


async def scrape(
    health: object, clock: Callable[[], float], instance: str = "issuer:8081"
) -> Scrape:
    """What Prometheus holds after it has asked."""
    assert isinstance(health, ListenAddress)
    answer = await ask(health, "/metrics")
    now = clock()
    scraped = {("up", _labels({}, instance)): 1.0}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            moment = sample.name.endswith("_timestamp_seconds")
            value = sample.value - now if moment else sample.value
            scraped[sample.name, _labels(sample.labels, instance)] = value
    return Scrape(scraped)


def unanswered(instance: str = "issuer:8081") -> Scrape:
    """What Prometheus holds where nothing answers."""
    return Scrape({("up", _labels({}, instance)): 0.0})


async def check(folder: Path, before: Scrape, after: Scrape, expected: Alerts) -> None:
    """Fails with promtool's words unless all is silent before, and exactly these fire after."""
    keys = sorted({*before.samples, *after.samples})
    told = [
        {
            "series": _name(*key),
            "values": f"{before.series(key, 0, MINUTES_BEFORE)}"
            f" {after.series(key, MINUTES_BEFORE, MINUTES_AFTER + 1)}",
        }
        for key in keys
    ]
    silent = _fired(MINUTES_BEFORE - 1, MINUTES_BEFORE, set())
    fires = _fired(MINUTES_BEFORE + MINUTES_AFTER, MINUTES_AFTER, expected)
    expressions = [silent, fires] if before.samples else [fires]
    test = {"interval": "1m", "input_series": told, "promql_expr_test": expressions}
    file = folder / "test.yaml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "tests": [test]}))  # YAML, too
    await promtool("test", "rules", str(file))


async def promtool(*arguments: str) -> None:
    """Runs it; fails with what it says."""
    assert PROMTOOL is not None
    process = await asyncio.create_subprocess_exec(
        PROMTOOL,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, said.decode()


def _fired(minute: int, minutes: int, expected: Alerts) -> dict[str, Any]:
    """Within the minutes that end there; some rules fire for a while alone."""
    firing = f'max_over_time(ALERTS{{alertstate="firing"}}[{minutes}m])'
    return {
        "expr": f"count by (alertname, source) ({firing})",
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": _alert(*one), "value": 1} for one in sorted(expected)],
    }


def _alert(name: str, source: str) -> str:
    return f'{{alertname="{name}"' + (f',source="{source}"}}' if source else "}")


def _labels(labels: Mapping[str, str], instance: str) -> Labels:
    return tuple(sorted({**labels, "job": "spire-bridge", "instance": instance}.items()))


def _name(name: str, labels: Labels) -> str:
    return f"{name}{{{','.join(f'{label}={json.dumps(text)}' for label, text in labels)}}}"
