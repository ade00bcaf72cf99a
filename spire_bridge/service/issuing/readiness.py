"""Whether an issuer can be relied on, and what an operator should know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spire_bridge.bundles.store import BundleStore, SourceStatus
from spire_bridge.service.issuing.edition import Edition


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict on one issuer at one moment; `keys` counts the published ones."""

    issuer: str
    reasons: tuple[str, ...]
    bundle_age_seconds: float | None
    keys: int
    sources: tuple[SourceStatus, ...]

    @property
    def ready(self) -> bool:
        return not self.reasons

    def to_json(self, now: float) -> dict[str, Any]:
        return {
            "name": self.issuer,
            "ready": self.ready,
            "reasons": list(self.reasons),
            "bundle_age_seconds": self.bundle_age_seconds,
            "keys": self.keys,
            "sources": [_source_json(status, now) for status in self.sources],
        }


def readiness(
    issuer: str,
    store: BundleStore,
    edition: Edition | None,
    *,
    now: float,
    max_age_seconds: float,
) -> Readiness:
    """Ready means: the bundle was confirmed within `max_age_seconds`, and not all has expired."""
    sources = store.statuses()
    confirmed_at = store.confirmed_at
    age = max(0.0, now - confirmed_at) if confirmed_at is not None else None
    reasons: list[str] = []
    if store.bundle is None or edition is None:
        reasons.append("no bundle has arrived yet")
        reasons.extend(f"source {s.name}: {trouble(s)}" for s in sources)
    elif age is not None and age > max_age_seconds:
        reasons.append(
            f"the bundle was last confirmed {age:.0f} s ago; {max_age_seconds:g} s are allowed"
        )
    if edition is not None and _all_expired(edition, now):
        reasons.append("every key of the bundle has expired, and no source tells of another")
    keys = len(edition.key_set.keys) if edition is not None else 0
    return Readiness(issuer, tuple(reasons), age, keys, sources)


def trouble(status: SourceStatus) -> str:
    """Why a source has told no bundle."""
    error = status.state.last_error
    return f"{error.message} [{error.code}]" if error else "waiting for its first answer"


def _all_expired(edition: Edition, now: float) -> bool:
    """Whether there are keys and none that anything valid can be signed with."""
    times = [key.expires_at for key in edition.bundle.jwt.authorities.values()]
    return bool(times) and all(time is not None and time <= now for time in times)


def _source_json(status: SourceStatus, now: float) -> dict[str, Any]:
    error = status.state.last_error
    return {
        "name": status.name,
        "connected": status.state.connected,
        "since_seconds": round(max(0.0, now - status.state.since), 1),
        "keys": status.keys,
        "lagging": status.lagging,
        "missing_keys": list(status.missing),
        "stale_keys": list(status.stale),
        "last_error": {"code": error.code, "message": error.message} if error else None,
    }
