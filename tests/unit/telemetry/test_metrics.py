"""The metric families: their names and labels are what dashboards rely on."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from spire_bridge.telemetry.metrics import CONTENT_TYPE, IssuerMetrics


def families(metrics: IssuerMetrics) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(metrics.exposition().decode())
        if not family.name.endswith("_created")
    }


def test_the_families_are_there_from_the_start() -> None:
    assert set(families(IssuerMetrics())) == {
        "spire_bridge_source_connected",
        "spire_bridge_source_lagging",
        "spire_bridge_source_keys",
        "spire_bridge_published_keys",
        "spire_bridge_bundle_age_seconds",
        "spire_bridge_document_changes",
        "spire_bridge_config_reloads",
    }


def test_values_come_out_by_label() -> None:
    metrics = IssuerMetrics()
    metrics.source_connected.labels("east").set(True)
    metrics.source_connected.labels('we"st\n').set(False)
    metrics.changes.inc()
    metrics.reloads.labels("refused").inc(2)
    found = families(metrics)
    assert found["spire_bridge_source_connected"] == {("east",): 1.0, ('we"st\n',): 0.0}
    assert found["spire_bridge_document_changes"] == {(): 1.0}
    assert found["spire_bridge_config_reloads"] == {("accepted",): 0.0, ("refused",): 2.0}


def test_two_issuers_in_one_process_count_apart() -> None:
    first, second = IssuerMetrics(), IssuerMetrics()
    first.changes.inc()
    assert families(second)["spire_bridge_document_changes"] == {(): 0.0}


def test_the_content_type_is_the_text_format() -> None:
    assert CONTENT_TYPE.startswith("text/plain")
