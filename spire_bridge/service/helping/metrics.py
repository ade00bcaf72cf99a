"""What the helper counts and measures, as metric families."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.metrics_core import Metric

from spire_bridge.helper.output import OutputState
from spire_bridge.telemetry.metrics import Family

_OUTPUT = ("output",)

READY = Family(
    "spire_bridge_output_ready", "1 while readers of the output find what they can use", _OUTPUT
)
FAILING = Family("spire_bridge_output_failing", "1 while renewing the output fails", _OUTPUT)
WRITTEN = Family(
    "spire_bridge_output_written_timestamp_seconds", "When the output last changed", _OUTPUT
)
EXPIRES = Family(
    "spire_bridge_output_expiry_timestamp_seconds", "When what the output holds expires", _OUTPUT
)
WRITES = Family("spire_bridge_output_writes", "How often the output was written", _OUTPUT, True)
FAILURES = Family(
    "spire_bridge_output_failures", "How often renewing the output failed", _OUTPUT, True
)
RELOADS = Family(
    "spire_bridge_reloads", "Attempts to put another configuration in force", ("result",), True
)
FAMILIES = (READY, FAILING, WRITTEN, EXPIRES, WRITES, FAILURES, RELOADS)


def helper_metrics(
    states: Mapping[str, OutputState], reloads: Mapping[str, int], now: float
) -> Iterator[Metric]:
    """All families as they stand now."""

    def each(family: Family, value: Callable[[OutputState], float | None]) -> Metric:
        values = ((name, value(state)) for name, state in states.items())
        return family.of(((name,), v) for name, v in values if v is not None)

    yield each(READY, lambda state: state.is_ready(now))
    yield each(FAILING, lambda state: state.error is not None)
    yield each(WRITTEN, lambda state: state.written_at)
    yield each(EXPIRES, lambda state: state.expires_at)
    yield each(WRITES, lambda state: state.writes)
    yield each(FAILURES, lambda state: state.failures)
    yield RELOADS.of(((result,), count) for result, count in reloads.items())
