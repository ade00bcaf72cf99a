"""What a publisher counts and measures, as metric families."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import Metric

from spire_bridge.service.publishing.target_publisher import TargetPublisher
from spire_bridge.telemetry.metrics import Family

_TARGET = ("issuer", "target")

BEHIND = Family(
    "spire_bridge_publish_behind_seconds",
    "Seconds for which the target has lacked the newest documents, 0 if it has them",
    _TARGET,
)
LAST_SUCCESS = Family(
    "spire_bridge_publish_last_success_timestamp_seconds",
    "When documents were last published at the target, or found there unchanged",
    _TARGET,
)
ERROR = Family("spire_bridge_publish_error", "1 while something is wrong with the target", _TARGET)
VISIBLE = Family(
    "spire_bridge_publish_visible",
    "1 while the target's public URL shows what was published",
    _TARGET,
)
WRITTEN = Family(
    "spire_bridge_publish_documents_written", "Documents written to the target", _TARGET, True
)
UNCHANGED = Family(
    "spire_bridge_publish_documents_unchanged",
    "Documents that stood at the target already",
    _TARGET,
    True,
)
FAILURES = Family(
    "spire_bridge_publish_failures", "Attempts at the target that failed", _TARGET, True
)
FAMILIES = tuple(value for value in list(vars().values()) if isinstance(value, Family))


def publish_metrics(publishers: Iterable[TargetPublisher], now: float) -> Iterator[Metric]:
    """All families as they stand at `now`, seconds since the epoch."""
    states = [((one.issuer, one.named.name), one.state) for one in publishers]
    yield BEHIND.of(
        (labels, max(0.0, now - s.behind_since) if s.behind_since is not None else 0.0)
        for labels, s in states
    )
    yield LAST_SUCCESS.of(
        (labels, s.last_success_at) for labels, s in states if s.last_success_at is not None
    )
    yield ERROR.of((labels, s.error is not None) for labels, s in states)
    yield VISIBLE.of((labels, s.visible) for labels, s in states if s.visible is not None)
    yield WRITTEN.of((labels, s.written) for labels, s in states)
    yield UNCHANGED.of((labels, s.unchanged) for labels, s in states)
    yield FAILURES.of((labels, s.failures) for labels, s in states)
