"""One token put to every trust that is described, as its issuer stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken, shown
from spire_bridge.cloud.rule import Verdict
from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.service.issuer_reading import ReadIssuer

_TELLING = 100  # characters by which a problem is known again


@dataclass(frozen=True, slots=True)
class Judged:
    """What a verifier says of the token for one trust."""

    description: TrustDescription
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdicts on a token at a moment, in seconds since the epoch."""

    token: PresentedToken
    issuer: ReadIssuer
    at: float
    judged: tuple[Judged, ...]

    @property
    def is_accepted(self) -> bool:
        """By every verifier that was asked."""
        return all(judged.verdict.accepted for judged in self.judged)

    @property
    def is_undecided(self) -> bool:
        """Whether the issuer, out of reach from here for now, is all that there is against it."""
        problem = self.issuer.documents.problem
        refused = [judged.verdict for judged in self.judged if not judged.verdict.accepted]
        return (
            bool(refused)
            and self.issuer.is_unavailable
            and all(_fails_for_the_documents(verdict, problem) for verdict in refused)
        )


def evaluate(
    descriptions: Iterable[TrustDescription],
    token: PresentedToken,
    issuer: ReadIssuer,
    at: float,
) -> Evaluation:
    """Asks the verifiers, in the order of the descriptions."""
    presentation = Presentation(token, issuer.documents, at)
    judged = (
        Judged(item, item.verifier.rules.evaluate(presentation, item.trust))
        for item in descriptions
    )
    return Evaluation(token, issuer, at, tuple(judged))


def _fails_for_the_documents(verdict: Verdict, problem: str) -> bool:
    """Whether what the deciding clause found is the problem with them, be it cut at its end."""
    failed = verdict.failed
    return failed is not None and shown(problem)[:_TELLING] in failed.check.found
