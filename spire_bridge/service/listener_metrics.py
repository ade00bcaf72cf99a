"""What a service's listeners tell of themselves, as metric families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import Metric

from spire_bridge.service.listener import Listener
from spire_bridge.telemetry.metrics import Family

CERTIFICATE_EXPIRES = Family(
    "spire_bridge_certificate_expiry_timestamp_seconds",
    "When the certificate that a listener shows expires, 0 while it has none",
    ("listener", "name"),
)
FAMILIES = (CERTIFICATE_EXPIRES,)


def listener_metrics(listeners: Mapping[str, Listener]) -> Iterator[Metric]:
    """All families as they stand now; the listeners go by the names of their settings."""
    yield CERTIFICATE_EXPIRES.of(
        ((listener, name), expires_at)
        for listener, one in listeners.items()
        if one.certificates is not None
        for name, expires_at in one.certificates.expiries().items()
    )
