"""A description of trust that was read, with the verifier that it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spire_bridge.cloud.verifiers import Verifier


@dataclass(frozen=True, slots=True)
class TrustDescription:
    """One trust that is configured at a verifier; `place` is the file and what it names in it."""

    verifier: Verifier
    place: str
    trust: Any
