"""What has become of each key: when it was seen, published, and first signed with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from spire_bridge.issuer.key_set import KeySet
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.jwt_bundle import JwtAuthority

# A key that has left the bundle is told of for a day, and no more than so many are.
_REMEMBERED_SECONDS = 86_400
_MAX_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The life of one key, as this process has seen it; times in seconds since the epoch.

    `algorithm` is None for a key that has signed a token and was in no bundle yet.
    `expires_at` is None where no source tells it, `left_out` says why a key of the bundle
    is not published, and `withdrawn_at` is when the key left the bundle.
    """

    key_id: str
    algorithm: str | None = None
    first_seen: float | None = None
    first_published: float | None = None
    first_signed: float | None = None
    expires_at: int | None = None
    tainted: bool = False
    published: bool = False
    left_out: str | None = None
    withdrawn_at: float | None = None

    @property
    def signed_too_early(self) -> bool:
        """Whether a token was signed with it before verifiers could know it."""
        return self.first_signed is not None and (
            self.first_published is None or self.first_signed < self.first_published
        )

    @property
    def state(self) -> str:
        """In one word: published, left-out, withdrawn, or unknown to every source."""
        if self.withdrawn_at is not None:
            return "withdrawn"
        if self.first_seen is None:
            return "unknown"
        return "published" if self.published else "left-out"

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "state": self.state,
            "signed_too_early": self.signed_too_early,
        }


class KeyHistory:
    """The keys of one issuer over time, the newest last."""

    def __init__(self) -> None:
        self._records: dict[str, KeyRecord] = {}

    def records(self) -> tuple[KeyRecord, ...]:
        return tuple(self._records.values())

    def note_edition(self, bundle: Bundle, key_set: KeySet, now: float) -> None:
        """Takes down what the bundle holds and what of it is published from now on."""
        published = {key.key_id for key in key_set.keys}
        reasons = {left.key_id: left.reason for left in key_set.left_out}
        for key_id, authority in bundle.jwt.authorities.items():
            record = self._records.get(key_id) or KeyRecord(key_id)
            is_published = key_id in published
            self._records[key_id] = replace(
                _seen(record, authority, now),
                published=is_published,
                first_published=_first(record.first_published, now if is_published else None),
                left_out=reasons.get(key_id),
            )
        self._note_withdrawn(bundle.jwt.authorities, now)

    def note_signature(self, key_id: str, now: float) -> KeyRecord | None:
        """Takes down that a token was signed with the key; its record if that is news."""
        record = self._records.get(key_id) or KeyRecord(key_id)
        if record.first_signed is not None:
            return None
        self._records[key_id] = replace(record, first_signed=now)
        return self._records[key_id]

    def _note_withdrawn(self, present: Mapping[str, JwtAuthority], now: float) -> None:
        for record in self._absent(present):
            if record.first_seen is not None and record.withdrawn_at is None:
                self._records[record.key_id] = replace(record, published=False, withdrawn_at=now)
        for number, record in enumerate(reversed(self._absent(present))):
            times = (record.withdrawn_at, record.first_signed)
            long_gone = all(time is None or time < now - _REMEMBERED_SECONDS for time in times)
            if long_gone or number >= _MAX_REMEMBERED:
                del self._records[record.key_id]

    def _absent(self, present: Mapping[str, JwtAuthority]) -> list[KeyRecord]:
        return [record for record in self._records.values() if record.key_id not in present]


def _seen(record: KeyRecord, authority: JwtAuthority, now: float) -> KeyRecord:
    return replace(
        record,
        algorithm=authority.key.algorithm,
        first_seen=_first(record.first_seen, now),
        expires_at=authority.expires_at,
        tainted=authority.tainted,
        withdrawn_at=None,
    )


def _first(before: float | None, now: float | None) -> float | None:
    return before if before is not None else now
