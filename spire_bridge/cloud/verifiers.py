"""The verifiers whose rules are known, by name; each is loaded when it is first asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:  # the command line wants to know the names, and no more
    from spire_bridge.cloud.aws.certificate_chain import PresentedChain
    from spire_bridge.cloud.expectation import Expectation
    from spire_bridge.cloud.lint_finding import LintFinding
    from spire_bridge.cloud.presentation import Presentation
    from spire_bridge.cloud.rule import Verdict


class VerifierRules(Protocol):
    """What the module of a verifier offers; `trust` is of the type that it parses."""

    TITLE: str

    def parse_trust(self, data: bytes, *, name: str) -> Any:
        """Reads a description of the trust configured there. Raises `InvalidTrust`."""

    def evaluate(self, presentation: Presentation, trust: Any) -> Verdict:
        """Says what the verifier would say. Never raises."""

    def lint(self, trust: Any) -> Iterable[LintFinding]:
        """Finds what is wrong with the description by itself."""


class CertificateRules(Protocol):
    """What the module of a verifier of certificates offers."""

    TITLE: str

    def parse_trust(self, data: bytes, *, name: str) -> Any:
        """Reads a description of the trust configured there. Raises `InvalidTrust`."""

    def evaluate(self, chain: PresentedChain, trust: Any, now: float) -> Verdict:
        """Says what the verifier would say. Never raises."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """One verifier: its name on the command line, what describes trust to it, its module.

    One that `takes_certificates` is shown an X.509-SVID in place of a token.
    """

    key: str
    reads: str
    module: str
    takes_certificates: bool = False

    def expectations(self, trust: Any) -> tuple[Expectation, ...]:
        """What tokens the trust is meant for; several if it trusts several issuers."""
        module = import_module(f"spire_bridge.cloud.expectations.{self.key}")
        return cast("tuple[Expectation, ...]", module.expectations(trust))

    @property
    def name(self) -> str:
        """The verifier's own, of which `key` may be the usual abbreviation."""
        return self.module.partition(".")[0]

    @property
    def rules(self) -> VerifierRules:
        return cast("VerifierRules", import_module(f"spire_bridge.cloud.{self.module}"))

    @property
    def certificate_rules(self) -> CertificateRules:
        """Those of a verifier that `takes_certificates`."""
        return cast("CertificateRules", import_module(f"spire_bridge.cloud.{self.module}"))


VERIFIERS = {
    verifier.key: verifier
    for verifier in (
        Verifier("aws", "an AWS role's trust policy and its OIDC provider, as JSON", "aws.sts"),
        Verifier("gcp", "a Google workload identity pool provider, as JSON", "google.sts"),
        Verifier("azure", "an Entra federated identity credential, as Graph's JSON", "entra.sts"),
        Verifier("vault", "a Vault or OpenBao role of JWT auth, as JSON", "vault.jwt_auth"),
        Verifier(
            "kubernetes", "a Kubernetes AuthenticationConfiguration, as YAML", "kubernetes.oidc"
        ),
        Verifier(
            "roles-anywhere",
            "a trust anchor, a profile and a role of IAM Roles Anywhere, as JSON",
            "aws.roles_anywhere",
            takes_certificates=True,
        ),
    )
}
