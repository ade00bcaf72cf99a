"""Metric families, each with a fixed set of labels, written down when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_1_0_0


@dataclass(frozen=True, slots=True)
class Family:
    """What is measured, under which name and labels; a counter only ever rises.

    A counter's name gets `_total` at its end in the exposition.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    is_counter: bool = False

    def of(self, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
        """The family with its samples: the labels' values, and the value."""
        kind = CounterMetricFamily if self.is_counter else GaugeMetricFamily
        metric = kind(self.name, self.help, labels=self.labels)
        for labels, value in samples:
            metric.add_metric(labels, float(value))
        return metric


def exposition(metrics: Iterable[Metric]) -> bytes:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_AsTheyAre(tuple(metrics)))
    return generate_latest(registry)


class _AsTheyAre(Collector):
    def __init__(self, metrics: tuple[Metric, ...]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics
