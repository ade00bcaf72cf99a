"""What an issuer service counts and measures, as metric families."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import Metric

from spire_bridge.service.issuing.key_history import KeyRecord
from spire_bridge.service.issuing.readiness import Readiness
from spire_bridge.service.issuing.request_counts import RequestCounts
from spire_bridge.service.issuing.served_issuer import ServedIssuer
from spire_bridge.telemetry.metrics import Family

_SOURCE = ("issuer", "source")
_ISSUER = ("issuer",)
_KEY = ("issuer", "key_id")

READY = Family("spire_bridge_ready", "1 while relying parties can rely on the issuer", _ISSUER)
SOURCE_CONNECTED = Family(
    "spire_bridge_source_connected", "1 while the source's stream stands", _SOURCE
)
SOURCE_LAGGING = Family(
    "spire_bridge_source_lagging",
    "1 while the source lacks keys of the combined bundle or keeps dropped ones",
    _SOURCE,
)
SOURCE_ERROR = Family(
    "spire_bridge_source_error", "1 while the source's last answer is an error", _SOURCE
)
SOURCE_KEYS = Family("spire_bridge_source_keys", "Keys that the source told of last", _SOURCE)
PUBLISHED_KEYS = Family("spire_bridge_published_keys", "Keys in the served JWK set", _ISSUER)
LEFT_OUT_KEYS = Family(
    "spire_bridge_left_out_keys",
    "Keys of the bundle that a rule keeps out of the JWK set",
    ("issuer", "rule"),
)
JWKS_BYTES = Family("spire_bridge_jwks_bytes", "Size of the served JWK set", _ISSUER)
BUNDLE_AGE = Family(
    "spire_bridge_bundle_age_seconds",
    "Seconds since the bundle was last known to be current",
    _ISSUER,
)
CHANGES = Family(
    "spire_bridge_document_changes", "How often the documents have changed", _ISSUER, True
)
FINDINGS = Family(
    "spire_bridge_findings",
    "What a verifier would refuse of the issuer's URL, documents or keys",
    ("issuer", "verifier"),
)
KEY_FIRST_SEEN = Family(
    "spire_bridge_key_first_seen_timestamp_seconds", "When a source first told of the key", _KEY
)
KEY_FIRST_PUBLISHED = Family(
    "spire_bridge_key_first_published_timestamp_seconds", "When the key was first served", _KEY
)
KEY_FIRST_SIGNED = Family(
    "spire_bridge_key_first_signed_timestamp_seconds",
    "When a token signed with the key was first seen",
    _KEY,
)
KEY_EXPIRES = Family(
    "spire_bridge_key_expiry_timestamp_seconds", "When the key expires, where a source tells", _KEY
)
SIGNED_TOO_EARLY = Family(
    "spire_bridge_keys_signed_too_early",
    "Keys that were seen signing before they were published",
    _ISSUER,
    True,
)
REQUESTS = Family(
    "spire_bridge_http_requests",
    "Answered requests, by document (discovery, jwks, other) and status",
    ("document", "status"),
    True,
)
RELOADS = Family(
    "spire_bridge_config_reloads", "Reloads of the configuration, by result", ("result",), True
)
FAMILIES = tuple(value for value in list(vars().values()) if isinstance(value, Family))


def issuer_metrics(
    issuers: Iterable[ServedIssuer], requests: RequestCounts, reloads: Mapping[str, int]
) -> Iterator[Metric]:
    """All families as they stand now."""
    assessed = [(issuer, issuer.readiness()) for issuer in issuers]
    yield from _of_issuers(assessed)
    yield from _of_sources([verdict for _, verdict in assessed])
    yield from _of_keys([issuer for issuer, _ in assessed])
    counted = sorted(requests.by_document_and_status.items())
    yield REQUESTS.of(((document, str(status)), n) for (document, status), n in counted)
    yield RELOADS.of(((result,), count) for result, count in reloads.items())


def _of_issuers(assessed: list[tuple[ServedIssuer, Readiness]]) -> Iterator[Metric]:
    yield READY.of(((v.issuer,), v.ready) for _, v in assessed)
    yield BUNDLE_AGE.of(
        ((v.issuer,), v.bundle_age_seconds) for _, v in assessed if v.bundle_age_seconds is not None
    )
    yield CHANGES.of(((issuer.name,), issuer.changes) for issuer, _ in assessed)
    yield SIGNED_TOO_EARLY.of(((issuer.name,), issuer.signed_too_early) for issuer, _ in assessed)
    yield PUBLISHED_KEYS.of(((v.issuer,), v.keys) for _, v in assessed)
    yield JWKS_BYTES.of(
        ((issuer.name,), len(issuer.edition.documents[0][1].jwks.body))
        for issuer, _ in assessed
        if issuer.edition is not None
    )
    yield LEFT_OUT_KEYS.of(_counted(assessed, _rules))
    yield FINDINGS.of(_counted(assessed, lambda i: (f.verifier for f in i.findings.current)))


def _rules(issuer: ServedIssuer) -> Iterable[str]:
    left_out = issuer.edition.key_set.left_out if issuer.edition is not None else ()
    return (left.rule for left in left_out)


def _counted(
    assessed: list[tuple[ServedIssuer, Any]], names: Callable[[ServedIssuer], Iterable[str]]
) -> Iterator[tuple[tuple[str, ...], float]]:
    for issuer, _ in assessed:
        for name, count in sorted(Counter(names(issuer)).items()):
            yield (issuer.name, name), count


def _of_sources(verdicts: list[Readiness]) -> Iterator[Metric]:
    statuses = [((v.issuer, status.name), status) for v in verdicts for status in v.sources]
    yield SOURCE_CONNECTED.of((labels, s.state.connected) for labels, s in statuses)
    yield SOURCE_LAGGING.of((labels, s.lagging) for labels, s in statuses)
    yield SOURCE_ERROR.of((labels, s.state.last_error is not None) for labels, s in statuses)
    yield SOURCE_KEYS.of((labels, s.keys) for labels, s in statuses)


def _of_keys(issuers: list[ServedIssuer]) -> Iterator[Metric]:
    records = [
        ((issuer.name, record.key_id), record)
        for issuer in issuers
        for record in issuer.keys.records()
        if record.withdrawn_at is None
    ]
    moments: tuple[tuple[Family, Callable[[KeyRecord], float | None]], ...] = (
        (KEY_FIRST_SEEN, lambda record: record.first_seen),
        (KEY_FIRST_PUBLISHED, lambda record: record.first_published),
        (KEY_FIRST_SIGNED, lambda record: record.first_signed),
        (KEY_EXPIRES, lambda record: record.expires_at),
    )
    for family, moment in moments:
        times = ((labels, moment(record)) for labels, record in records)
        yield family.of((labels, time) for labels, time in times if time is not None)
