"""Metric families: names and labels are what dashboards rely on."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from spire_bridge.telemetry.metrics import CONTENT_TYPE, Family, exposition

GAUGE = Family("connected", "1 while it is connected", ("source",))
COUNTER = Family("reloads", "How often", is_counter=True)


def test_values_come_out_by_label() -> None:
    metrics = (GAUGE.of([(("east",), True), (('we"st\n',), 0)]), COUNTER.of([((), 2)]))
    families = list(text_string_to_metric_families(exposition(metrics).decode()))
    assert {family.name: family.type for family in families} == {
        "connected": "gauge",
        "reloads": "counter",
    }
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }
    assert samples == {
        ("connected", ("east",)): 1.0,
        ("connected", ('we"st\n',)): 0.0,
        ("reloads_total", ()): 2.0,
    }


def test_a_family_without_samples_is_announced_all_the_same() -> None:
    assert b"# HELP connected 1 while it is connected" in exposition([GAUGE.of([])])


def test_the_content_type_is_the_text_format() -> None:
    assert CONTENT_TYPE.startswith("text/plain")
