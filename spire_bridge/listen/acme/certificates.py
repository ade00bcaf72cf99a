"""The certificates of a listener's domains: obtained, kept, renewed, swapped in place."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.listen.acme.cache import Cache
from spire_bridge.listen.acme.certificate import DomainCertificate, check_domain
from spire_bridge.listen.acme.challenges import Challenges
from spire_bridge.listen.acme.context import DomainContext
from spire_bridge.listen.acme.directories import LETS_ENCRYPT
from spire_bridge.listen.acme.thread import in_thread
from spire_bridge.listen.http import Handler

if TYPE_CHECKING:
    from spire_bridge.listen.acme.authority import AcmeAuthority

# Between failures, doubling: five an hour are what Let's Encrypt bears for one name.
_FIRST_RETRY_SECONDS = 60.0
_LAST_RETRY_SECONDS = 3600.0
# Between looks at the clock, which may jump and may have stood still.
_CHECK_SECONDS = 600.0
# A CA whose certificates are due at once is asked no more often than this.
_SHORTEST_RENEWAL_SECONDS = 3600.0
# A CA that can't be asked when it would have a certificate renewed is left alone for so long.
_ASK_AGAIN_SECONDS = 6 * 3600.0

_log = logging.getLogger(__name__)


class AcmeUnavailable(BridgeError):
    """The extra that speaks ACME is not installed."""

    code = "ACME_NOT_INSTALLED"
    exit_status = EXIT_USAGE


class TermsNotAgreed(BridgeError):
    """The operator has not agreed to the CA's terms of service."""

    code = "ACME_TERMS_NOT_AGREED"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class DomainStatus:
    """How one domain stands; None where there is no certificate, or no trouble."""

    domain: str
    expires_at: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look and to try again, in seconds."""

    check: float = _CHECK_SECONDS
    first_retry: float = _FIRST_RETRY_SECONDS
    last_retry: float = _LAST_RETRY_SECONDS
    shortest_renewal: float = _SHORTEST_RENEWAL_SECONDS


class AcmeCertificates:
    """A TLS context with a certificate for each domain, which `follow` obtains and renews.

    One for each, as the reference does: a domain that the CA can't reach holds up no
    other, and a caller does not learn the other names. `context` serves from the start:
    a domain without a certificate as yet refuses handshakes, except the CA's own.

    `folder` keeps the account key and the certificates over restarts; None keeps
    nothing. With the challenge "http-01", serve `http_handler` at port 80 of the domains.

    Raises `TermsNotAgreed`, `AcmeUnavailable`, `InvalidDomain`, or `FileFailure` if the
    folder can't be used.
    """

    def __init__(
        self,
        domains: Sequence[str],
        *,
        folder: Path | None,
        terms_agreed: bool,
        directory_url: str = LETS_ENCRYPT,
        email: str = "",
        challenge: Literal["tls-alpn-01", "http-01"] = "tls-alpn-01",
        ca_file: Path | None = None,
        now: Callable[[], float] = time.time,
        pace: Pace = Pace(),
    ) -> None:
        if not terms_agreed:
            raise TermsNotAgreed(
                f"the terms of service of {directory_url} are not agreed to",
                hint="read them, then say in the configuration that you agree",
            )
        names = tuple(dict.fromkeys(check_domain(domain) for domain in domains))
        self._cache = Cache(folder)
        self._authority = _authority(directory_url, email, self._cache, ca_file)
        self._challenge, self._now, self._pace = challenge, now, pace
        self._challenges = Challenges()
        self._context = DomainContext(names, self._challenges)
        self._certificates: dict[str, DomainCertificate] = {}
        self._renewals: dict[str, _Renewal] = {}
        self._problems: dict[str, BridgeError] = {}
        self._domains = names
        for domain in names:
            kept = self._cache.certificate(domain, now=now())
            if kept is not None:
                self._use(kept)

    @property
    def context(self) -> DomainContext:
        """For `serving`; valid for the whole life of this object."""
        return self._context

    @property
    def http_handler(self) -> Handler:
        """Answers HTTP-01, and nothing else."""
        return self._challenges.respond

    def expiries(self) -> Mapping[str, int]:
        """Of each domain's certificate."""
        return {status.domain: status.expires_at or 0 for status in self.status()}

    def status(self) -> tuple[DomainStatus, ...]:
        """How each domain stands at the moment."""
        return tuple(self._status(domain) for domain in self._domains)

    def _status(self, domain: str) -> DomainStatus:
        certificate, problem = self._certificates.get(domain), self._problems.get(domain)
        return DomainStatus(
            domain,
            certificate.expires_at if certificate is not None else None,
            problem.message if problem is not None else None,
        )

    async def follow(self) -> None:
        """Obtains what is missing, renews what is due, for ever."""
        async with asyncio.TaskGroup() as group:
            for domain in self._domains:
                group.create_task(self._follow(domain), name=f"acme {domain}")

    async def _follow(self, domain: str) -> None:
        failures, not_before = 0, 0.0
        while True:
            due = max(await self._due(domain), not_before)
            if self._now() < due:
                await asyncio.sleep(min(self._pace.check, due - self._now()))
                continue
            try:
                await self._obtain(domain)
            except BridgeError as error:
                delay = self._retry_seconds(error, failures)
                self._complain(domain, error, delay)
                failures += 1
                await asyncio.sleep(delay)
            else:
                failures, not_before = 0, self._now() + self._pace.shortest_renewal

    async def _due(self, domain: str) -> float:
        """When the domain needs a certificate, in seconds since the epoch."""
        renewal = self._renewals.get(domain)
        return 0.0 if renewal is None else await renewal.due(self._authority, self._now())

    async def _obtain(self, domain: str) -> None:
        kept = await in_thread(lambda: self._kept_since(domain))
        if kept is None:
            certificate = await in_thread(
                lambda: self._authority.obtain(
                    domain, self._challenge, self._challenges, now=self._now()
                )
            )
        else:
            certificate = kept
        self._use(certificate)
        self._problems.pop(domain, None)
        extra = {"domain": domain, "expires_at": certificate.expires_at}
        _log.info("certificate is in use", extra=extra)
        if kept is None:
            await self._keep(certificate)

    async def _keep(self, certificate: DomainCertificate) -> None:
        try:
            await in_thread(lambda: self._cache.keep(certificate))
        except FileFailure as error:
            self._problems[certificate.domain] = error
            extra = {"domain": certificate.domain, "reason": error.message, "hint": error.hint}
            _log.error("certificate is not kept", extra=extra)

    def _kept_since(self, domain: str) -> DomainCertificate | None:
        """A later certificate from another process that shares the folder, if there is one."""
        kept, own = self._cache.certificate(domain, now=self._now()), self._certificates.get(domain)
        later = kept is not None and (own is None or kept.expires_at > own.expires_at)
        return kept if later else None

    def _use(self, certificate: DomainCertificate) -> None:
        self._context.use(certificate.domain, certificate.context)
        self._certificates[certificate.domain] = certificate
        self._renewals[certificate.domain] = _Renewal(certificate)

    def _retry_seconds(self, error: BridgeError, failures: int) -> float:
        """Doubling, shortened at random by up to a half; never sooner than the CA wishes."""
        ceiling = min(self._pace.last_retry, self._pace.first_retry * 2.0 ** min(failures, 16))
        wish = getattr(error, "retry_after_seconds", None) or 0.0
        return max(ceiling * (0.5 + 0.5 * random.random()), wish)  # noqa: S311 - no secret

    def _complain(self, domain: str, error: BridgeError, delay: float) -> None:
        self._problems[domain] = error
        certificate = self._certificates.get(domain)
        extra: dict[str, object] = {"domain": domain, "reason": error.message, "hint": error.hint}
        extra["retry_seconds"] = round(delay)
        if certificate is not None:
            extra["days_left"] = round((certificate.expires_at - self._now()) / 86_400, 1)
        _log.error("no certificate was obtained", extra=extra)


class _Renewal:
    """When one certificate is due: by its lifetime, or sooner if the CA wishes so (RFC 9773)."""

    def __init__(self, certificate: DomainCertificate) -> None:
        self._certificate = certificate
        self._due = certificate.renewal_at(random.random())  # noqa: S311 - no secret
        self._wish: float | None = None
        self._ask_at = 0.0

    async def due(self, authority: AcmeAuthority, now: float) -> float:
        if self._ask_at <= now < self._due:
            try:
                self._wish, wait = await in_thread(
                    lambda: authority.suggested_renewal(self._certificate)
                )
            except BridgeError as error:  # no harm: the certificate is renewed in time
                _log.debug("CA was not asked about renewal", extra={"reason": error.message})
                wait = _ASK_AGAIN_SECONDS
            self._ask_at = now + wait
        return self._due if self._wish is None else min(self._wish, self._due)


def _authority(directory_url: str, email: str, cache: Cache, ca_file: Path | None) -> AcmeAuthority:
    try:
        from spire_bridge.listen.acme.authority import AcmeAuthority
    except ImportError as error:
        raise AcmeUnavailable(
            f"certificates by ACME need the package {error.name}",
            hint="pip install 'spire-bridge[acme]'",
        ) from None
    return AcmeAuthority(directory_url, email, cache.account_key(), ca_file)
