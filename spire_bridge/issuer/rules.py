"""What an operator can choose of an issuer's keys and documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_CACHE_SECONDS = 300
MAX_CACHE_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class KeyRules:
    """Which of a bundle's keys are published, and how.

    `algorithms` are JOSE names, None admits all. A key past its expiry has signed no token
    that is still valid; a tainted one still verifies until its trust domain revokes it.
    `max_keys` and `max_bytes` (of the JWK set's document) cut the set where verifiers stop
    reading: tainted keys go first, then those that expire first. `use` of None leaves the
    member out.
    """

    algorithms: frozenset[str] | None = None
    expired: bool = False
    tainted: bool = True
    max_keys: int | None = None
    max_bytes: int | None = None
    use: str | None = "sig"


@dataclass(frozen=True, slots=True)
class DocumentRules:
    """How the documents are made beyond what follows from the issuer's URL and its keys.

    `jwks_uri` stands in the discovery document where the key set is served by somebody
    else; `extra` are further members of that document. `cache_seconds` is how long
    verifiers may keep the documents; None takes the trust domain's refresh hint.
    """

    jwks_uri: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    cache_seconds: int | None = None

    def cache_lifetime(self, refresh_hint_seconds: int | None) -> int:
        """Seconds: what is configured, else the hint (at most a day), else five minutes."""
        if self.cache_seconds is not None:
            return self.cache_seconds
        return min(refresh_hint_seconds or DEFAULT_CACHE_SECONDS, MAX_CACHE_SECONDS)
