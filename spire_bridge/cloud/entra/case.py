"""A token that is presented to an application's federated credentials."""

from __future__ import annotations

from dataclasses import dataclass

from spire_bridge.cloud.entra.trust import EntraTrust, FederatedCredential
from spire_bridge.cloud.presentation import Presentation


@dataclass(frozen=True, slots=True)
class Case:
    """A token at an application, and which of its credentials are of the token's issuer,
    which of those of its subject, and which of those of its audience.
    """

    presentation: Presentation
    trust: EntraTrust
    of_issuer: tuple[FederatedCredential, ...]
    of_subject: tuple[FederatedCredential, ...]
    of_audience: tuple[FederatedCredential, ...]

    @property
    def issuer(self) -> str:
        return self.presentation.token.text("iss") or ""

    @property
    def subject(self) -> str:
        return self.presentation.token.text("sub") or ""


def case_of(presentation: Presentation, trust: EntraTrust) -> Case:
    """Every comparison is byte for byte; there are no wildcards."""
    token = presentation.token
    issuer, subject, audiences = token.text("iss"), token.text("sub"), token.audiences()
    of_issuer = tuple(c for c in trust.credentials if c.issuer == issuer)
    of_subject = tuple(c for c in of_issuer if not c.expression and c.subject == subject)
    of_audience = tuple(c for c in of_subject if c.audiences[0] in audiences)
    return Case(presentation, trust, of_issuer, of_subject, of_audience)
