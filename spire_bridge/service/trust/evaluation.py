"""A token, or a certificate, put to every trust that is described."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spire_bridge.cloud.aws.certificate_chain import PresentedChain
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.presented_token import PresentedToken, shown
from spire_bridge.cloud.rule import Verdict
from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.service.trust.issuer_reading import ReadIssuer

_TELLING = 100  # characters by which a problem is known again


@dataclass(frozen=True, slots=True)
class Presented:
    """What verifiers are shown: a token and its issuer as it stands, or a certificate's chain.

    None is what no verifier is asked about. `at` is in seconds since the epoch.
    """

    at: float
    token: PresentedToken | None = None
    issuer: ReadIssuer | None = None
    chain: PresentedChain | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a verifier says of it for one trust."""

    description: TrustDescription
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdicts on what was presented."""

    presented: Presented
    judged: tuple[Judged, ...]

    @property
    def is_accepted(self) -> bool:
        """By every verifier that was asked."""
        return all(judged.verdict.accepted for judged in self.judged)

    @property
    def is_undecided(self) -> bool:
        """Whether the issuer, out of reach from here for now, is all that there is against it."""
        issuer = self.presented.issuer
        refused = [judged.verdict for judged in self.judged if not judged.verdict.accepted]
        return (
            bool(refused)
            and issuer is not None
            and issuer.is_unavailable
            and all(_fails_for_the_documents(v, issuer.documents.problem) for v in refused)
        )


def evaluate(descriptions: Iterable[TrustDescription], presented: Presented) -> Evaluation:
    """Asks the verifiers, in the order of the descriptions."""
    return Evaluation(presented, tuple(Judged(d, _verdict(d, presented)) for d in descriptions))


def _verdict(description: TrustDescription, presented: Presented) -> Verdict:
    verifier, trust = description.verifier, description.trust
    if verifier.takes_certificates:
        assert presented.chain is not None
        return verifier.certificate_rules.evaluate(presented.chain, trust, presented.at)
    assert presented.token is not None
    assert presented.issuer is not None
    documents = presented.issuer.documents
    return verifier.rules.evaluate(Presentation(presented.token, documents, presented.at), trust)


def _fails_for_the_documents(verdict: Verdict, problem: str) -> bool:
    """Whether what the deciding clause found is the problem with them, be it cut at its end."""
    failed = verdict.failed
    return failed is not None and shown(problem)[:_TELLING] in failed.check.found
