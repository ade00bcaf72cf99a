"""Which keys of a bundle the issuer publishes, and how."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any, Self

from spire_bridge.issuer.document import Document
from spire_bridge.issuer.rules import KeyRules
from spire_bridge.spiffe.jwt_bundle import JwtAuthority, JwtBundle

_ALL = KeyRules()


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """A key of the bundle that is not published, by which rule, and for what reason."""

    key_id: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeySet:
    """The issuer's keys, sorted by key ID so that equal bundles give equal bytes."""

    keys: tuple[JwtAuthority, ...]
    use: str | None = "sig"
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def from_bundle(cls, bundle: JwtBundle, now: float, rules: KeyRules = _ALL) -> Self:
        """The bundle's keys as far as the rules admit them at the time `now`.

        SPIRE ends a token no later than its key, so nothing valid is signed by an expired one.
        """
        kept: list[JwtAuthority] = []
        left_out: list[LeftOut] = []
        for authority in bundle.authorities.values():
            refusal = _refusal(authority, now, rules)
            if refusal is None:
                kept.append(authority)
            else:
                left_out.append(LeftOut(authority.key_id, *refusal))
        kept.sort(key=_most_wanted_first)
        for rule, limit in (("max_keys", rules.max_keys), ("max_bytes", _fitting(kept, rules))):
            if limit is not None:
                reason = f"the set is full: {rule} is {getattr(rules, rule)}"
                left_out += (LeftOut(key.key_id, rule, reason) for key in kept[limit:])
                kept = kept[:limit]
        return cls(_by_id(kept), rules.use, tuple(sorted(left_out)))

    def next_expiry(self, now: float) -> int | None:
        """When the set has to be made anew without a change of the bundle, epoch seconds."""
        times = (key.expires_at for key in self.keys if key.expires_at is not None)
        return min((time for time in times if time > now), default=None)

    def algorithms(self) -> tuple[str, ...]:
        """What tokens are signed with: the algorithms of the keys that are there."""
        return tuple(sorted({authority.key.algorithm for authority in self.keys}))

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JWK set (RFC 7517): each key with `kid`, its actual `alg`, and `use` unless None."""
        return _jwks(self.keys, self.use)


def _refusal(authority: JwtAuthority, now: float, rules: KeyRules) -> tuple[str, str] | None:
    """The rule that keeps a key out, and the reason in words."""
    if not rules.expired and authority.expires_at is not None and authority.expires_at <= now:
        return "expired", "it has expired"
    if not rules.tainted and authority.tainted:
        return "tainted", "it is tainted"
    if rules.algorithms is not None and authority.key.algorithm not in rules.algorithms:
        return "algorithm", f"{authority.key.algorithm} is not among the configured algorithms"
    return None


def _most_wanted_first(authority: JwtAuthority) -> tuple[bool, float, str]:
    expires_at = authority.expires_at if authority.expires_at is not None else inf
    return authority.tainted, -expires_at, authority.key_id


def _fitting(ordered: list[JwtAuthority], rules: KeyRules) -> int | None:
    """How many of the keys, from the first on, make a document within `max_bytes`."""
    if rules.max_bytes is None:
        return None
    counts = range(len(ordered) + 1)
    fitting = bisect_right(
        counts, rules.max_bytes, key=lambda n: len(_document(ordered[:n], rules.use).body)
    )
    return max(0, fitting - 1)


def _document(keys: Iterable[JwtAuthority], use: str | None) -> Document:
    return Document.of(_jwks(_by_id(keys), use))


def _by_id(keys: Iterable[JwtAuthority]) -> tuple[JwtAuthority, ...]:
    return tuple(sorted(keys, key=lambda authority: authority.key_id))


def _jwks(keys: Iterable[JwtAuthority], use: str | None) -> dict[str, Any]:
    usage = {"use": use} if use is not None else {}
    return {"keys": [{**usage, **_jwk(authority)} for authority in keys]}


def _jwk(authority: JwtAuthority) -> dict[str, str]:
    members = authority.key.to_jwk()
    return {
        "kty": members.pop("kty"),
        "kid": authority.key_id,
        "alg": authority.key.algorithm,
        **members,
    }
