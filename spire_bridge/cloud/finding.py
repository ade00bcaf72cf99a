"""What a clause of a verifier's rules finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A verifier that would refuse an issuer or some of its tokens, why, and who says so."""

    verifier: str
    reason: str
    source: str
