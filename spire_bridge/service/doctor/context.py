"""What an examination is asked, and what it knows after each check."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spire_bridge.cloud.trust_description import TrustDescription
from spire_bridge.service.trust.issuer_reading import IssuerReader, ReadIssuer
from spire_bridge.spiffe.id import SpiffeId
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.workload.messages import X509Context

DEFAULT_AUDIENCE = "spire-bridge-doctor"  # of a token that no one else is to take


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller wants to know.

    `address` is the Workload API's, None for the environment's; `issuer` a URL or folder, None
    for the one that the SVID names. `files` are looked at besides those that `environment`
    names. `clock` gives this machine's time, in seconds since the epoch.
    """

    address: str | None = None
    timeout_seconds: float = 10.0
    audience: tuple[str, ...] = ()
    spiffe_id: SpiffeId | None = None
    hint: str | None = None
    issuer: str | None = None
    reader: IssuerReader = field(default_factory=IssuerReader)
    files: tuple[Path, ...] = ()
    descriptions: tuple[TrustDescription, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    clock: Callable[[], float] = time.time

    @property
    def token_audience(self) -> tuple[str, ...]:
        """The one asked for, else the one that the first description is meant for."""
        if self.audience:
            return self.audience
        expected = (expected_audience(description) for description in self.descriptions)
        return next(filter(None, expected), (DEFAULT_AUDIENCE,))


def expected_audience(description: TrustDescription) -> tuple[str, ...]:
    """An audience that the verifier takes; none if it takes certificates or does not say."""
    verifier = description.verifier
    if verifier.takes_certificates:
        return ()
    expectations = verifier.expectations(description.trust)
    return next((e.audiences[:1] for e in expectations if e.audiences), ())


@dataclass(frozen=True, slots=True)
class Context:
    """What is asked, and what the checks so far have learned; None where they have not.

    `svids` are those of all identities, `svid` the one that counts. `issuer_ahead_seconds` is
    how far the issuer's clock is ahead of this machine's.
    """

    asked: Asked
    svids: tuple[UnverifiedJwtSvid, ...] = ()
    svid: UnverifiedJwtSvid | None = None
    x509: X509Context | None = None
    issuer: ReadIssuer | None = None
    issuer_ahead_seconds: float | None = None
