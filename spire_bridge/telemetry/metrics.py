"""Metric families, each with a fixed set of labels, in a registry of the service's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

CONTENT_TYPE = CONTENT_TYPE_PLAIN_1_0_0


class IssuerMetrics:
    """What an issuer counts and measures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.source_connected = Gauge(
            "spire_bridge_source_connected",
            "1 while the source's stream stands",
            ["source"],
            registry=self.registry,
        )
        self.source_lagging = Gauge(
            "spire_bridge_source_lagging",
            "1 while the source lacks keys of the combined bundle or keeps dropped ones",
            ["source"],
            registry=self.registry,
        )
        self.source_keys = Gauge(
            "spire_bridge_source_keys",
            "Keys that the source told of last",
            ["source"],
            registry=self.registry,
        )
        self.published_keys = Gauge(
            "spire_bridge_published_keys", "Keys in the served JWK set", registry=self.registry
        )
        self.bundle_age = Gauge(
            "spire_bridge_bundle_age_seconds",
            "Seconds since the bundle was last known to be current",
            registry=self.registry,
        )
        self.changes = Counter(
            "spire_bridge_document_changes",
            "How often the documents were made anew",
            registry=self.registry,
        )
        self.reloads = Counter(
            "spire_bridge_config_reloads",
            "Reloads of the configuration, by result",
            ["result"],
            registry=self.registry,
        )
        for result in ("accepted", "refused"):  # there from the start, so that the first counts
            self.reloads.labels(result)

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)
