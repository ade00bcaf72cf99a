"""A token that a trust is meant for, with nothing against it but, perhaps, its subject."""

from __future__ import annotations

from spire_bridge.cloud.expectation import Expectation
from spire_bridge.cloud.faultless_token import present_token
from spire_bridge.cloud.presentation import Presentation

_SOME_ISSUER = "https://issuer.example.org"


def present(expectation: Expectation, subject: str, now: float) -> Presentation:
    """The token of this subject for that trust; its signature passes unseen."""
    audience = expectation.audiences[0] if expectation.audiences else "any"
    return present_token(expectation.issuer or _SOME_ISSUER, subject, audience, now)
