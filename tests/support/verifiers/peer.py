"""What the tests of third-party verifiers ask of each: to trust an issuer and to judge tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from verifiers.issuers import AUDIENCE, NAME, ServedIssuer

SUBJECT = f"spiffe://{NAME}/web"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a token; the reason of a refusal is in the verifier's own words."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Trusted:
    """All that a verifier is told: an issuer, and the one workload that may come."""

    issuer: str
    jwks_uri: str  # for those that do no discovery
    ca: Path
    audience: str = AUDIENCE
    subject: str = SUBJECT


@dataclass(frozen=True, slots=True)
class Reasons:
    """What a verifier says to each kind of bad token, as regular expressions."""

    audience: str
    subject: str
    issuer: str
    expired: str
    forgery: str


class Verifier(Protocol):
    """A verifier that trusts one issuer."""

    def judge(self, token: str) -> Verdict:
        """Blocks until the verifier has answered."""
        ...


class Peer(Protocol):
    """A program that verifies."""

    @property
    def refetches(self) -> bool:
        """Whether it asks the issuer again, at once, for a key that it lacks."""
        ...

    @property
    def reasons(self) -> Reasons: ...

    def trusting(self, trusted: Trusted, folder: Path) -> AbstractContextManager[Verifier]:
        """Starts it; it knows no key before its first token. Its files go to `folder`."""
        ...


Judge = Callable[[str], Awaitable[Verdict]]


@asynccontextmanager
async def started(
    peer: Peer, issuer: ServedIssuer, folder: Path, *, subject: str = SUBJECT
) -> AsyncIterator[Judge]:
    """A verifier that has just started, run in threads: the issuer answers in this loop."""
    with ExitStack() as stack:
        starting = peer.trusting(await trusted(issuer, subject=subject), folder)
        verifier = await asyncio.to_thread(stack.enter_context, starting)
        yield lambda token: asyncio.to_thread(verifier.judge, token)


async def trusted(issuer: ServedIssuer, *, subject: str = SUBJECT) -> Trusted:
    """What a verifier is told of an issuer, which has to be behind TLS."""
    assert issuer.tls is not None
    jwks_uri = (await issuer.discovery())["jwks_uri"]
    return Trusted(issuer.url, jwks_uri, issuer.tls.ca, subject=subject)
