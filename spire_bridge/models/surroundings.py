"""What every model cloud has around it: issuers to ask, a clock, and someone who looks on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken
from spire_bridge.cloud.rule import Verdict
from spire_bridge.models.issuer_cache import IssuerCache

_NOT_ASKED = IssuerDocuments.unreachable("nobody trusts this issuer, so it was not asked")


def _look_away(_: Verdict) -> None:
    """Nobody looks on."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`observe` is told each verdict, clause by clause: what the answer alone doesn't explain.

    `clock` gives seconds since the epoch.
    """

    issuers: IssuerCache
    clock: Callable[[], float] = time.time
    observe: Callable[[Verdict], None] = _look_away

    def present(self, token: str, trusted_issuers: Collection[str]) -> Presentation:
        """The token as the cloud sees it now; blocks while its issuer is asked, if trusted."""
        presented = PresentedToken.read(token)
        issuer, documents = presented.text("iss"), _NOT_ASKED
        if issuer is not None and issuer in trusted_issuers:
            documents = self.issuers.documents(issuer, presented.key_id)
        return Presentation(presented, documents, self.clock())

    def judged(self, verdict: Verdict) -> Verdict:
        """The same verdict, once the observer was told."""
        self.observe(verdict)
        return verdict
