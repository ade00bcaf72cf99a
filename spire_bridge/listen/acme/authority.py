"""The ACME server (RFC 8555): the account there, and one order from its start to the certificate.

Through the `acme` library, which blocks: the calls belong into threads. Only imported
where ACME is configured.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acme import challenges, errors, messages
from acme.client import ClientV2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from josepy.errors import Error as JoseError
from josepy.jwk import JWK

from spire_bridge.errors import BridgeError, one_line
from spire_bridge.listen.acme.certificate import DomainCertificate, encode_key
from spire_bridge.listen.acme.challenges import TLS_ALPN_01, Challenges
from spire_bridge.listen.acme.network import Network

_ORDER_TIME = datetime.timedelta(minutes=3)
_SHORTEST_WAIT_SECONDS = 60.0

_HINTS = {
    "caa": "let a CAA record of the domain name this CA",
    "connection": "is the domain's address this machine, and its port open to the CA?",
    "dns": "does the domain resolve for the whole world?",
    "externalAccountRequired": "choose a CA that needs no account beforehand",
    "rateLimited": "wait, or try with the CA's staging directory",
    "tls": "is it this listener that answers at the domain, with no proxy that ends TLS before?",
    "unauthorized": "is it this listener that answers at the domain, with no proxy before it?",
    "unsupportedIdentifier": "choose a CA that certifies such names",
    "userActionRequired": "visit the page that the CA names",
}

# OSError is what requests raises; from LookupError on they come of what the library takes for
# granted in an answer.
_FAILURES = (
    errors.Error, JoseError, OSError,
    LookupError, ValueError, TypeError, AttributeError, ArithmeticError, x509.ExtensionNotFound,
)  # fmt: skip

_log = logging.getLogger(__name__)


class AcmeFailure(BridgeError):
    """The CA could not be asked, or refused. `retry_after_seconds` is its own wish, if any."""

    code = "ACME_FAILED"
    retry_after_seconds: float | None = None


@challenges.ChallengeResponse.register
class _TlsAlpn01Response(challenges.KeyAuthorizationChallengeResponse):
    typ = TLS_ALPN_01


@challenges.Challenge.register
class _TlsAlpn01(challenges.KeyAuthorizationChallenge):
    """RFC 8737; the library knows this type no more."""

    typ = TLS_ALPN_01
    response_cls = _TlsAlpn01Response

    def validation(self, account_key: JWK, **_: Any) -> str:
        return self.key_authorization(account_key)


@dataclass(frozen=True, slots=True)
class AcmeAuthority:
    """A CA by its directory, and what we are to it: `account_key`, `email`.

    `ca_file` is the bundle of CAs that vouch for the directory itself; without it
    SSL_CERT_FILE and REQUESTS_CA_BUNDLE count, then the system's, then those of certifi.
    """

    directory_url: str
    email: str
    account_key: ec.EllipticCurvePrivateKey = field(repr=False)
    ca_file: Path | None = None

    def obtain(
        self, domain: str, kind: str, pending: Challenges, *, now: float
    ) -> DomainCertificate:
        """A new certificate with a new key. Blocks for minutes at most. Raises `AcmeFailure`."""
        with self._client(domain) as client:
            return self._order(client, domain, kind, pending, now)

    def suggested_renewal(self, certificate: DomainCertificate) -> tuple[float | None, float]:
        """When the CA would have it renewed (RFC 9773), and in how many seconds to ask again.

        The time is in seconds since the epoch, None if the CA does not say. Raises `AcmeFailure`.
        """
        with self._client(certificate.domain) as client:
            renew_at, ask_at = client.renewal_time(certificate.chain_pem)
            wait = (ask_at - datetime.datetime.now()).total_seconds()  # noqa: DTZ005 - as the library has it
            at = renew_at.timestamp() if renew_at is not None else None
            return at, max(wait, _SHORTEST_WAIT_SECONDS)

    @contextmanager
    def _client(self, domain: str) -> Iterator[ClientV2]:
        """For one conversation; turns what goes wrong in it into `AcmeFailure`."""
        network = Network(self.account_key, self.ca_file)
        try:
            yield ClientV2(ClientV2.get_directory(self.directory_url, network), network)
        except _FAILURES as error:
            raise self._failure(domain, error, network) from None
        finally:
            network.session.close()

    def _order(
        self, client: ClientV2, domain: str, kind: str, pending: Challenges, now: float
    ) -> DomainCertificate:
        self._sign_in(client)
        key = ec.generate_private_key(ec.SECP256R1())
        deadline = datetime.datetime.now() + _ORDER_TIME  # noqa: DTZ005 - as the library has it
        order = client.new_order(_request(domain, key))
        with ExitStack() as answering:
            for authorization in order.authorizations:
                if authorization.body.status == messages.STATUS_PENDING:
                    self._answer(client, authorization, domain, kind, pending, answering)
            order = client.poll_authorizations(order, deadline)
        order = client.finalize_order(order, deadline)
        chain = order.fullchain_pem.encode("ascii")
        return DomainCertificate.parse(domain, encode_key(key), chain, now=now)

    def _sign_in(self, client: ClientV2) -> None:
        """Registers, or finds the account that this key has (RFC 8555, section 7.3.1)."""
        registration = messages.NewRegistration.from_data(
            email=self.email or None, terms_of_service_agreed=True
        )
        try:
            client.new_account(registration)
            terms = client.directory.meta.terms_of_service
            _log.info("account was registered", extra={"terms_agreed": terms or "none"})
        except errors.ConflictError as known:
            client.net.account = messages.RegistrationResource(
                body=registration, uri=known.location
            )

    def _answer(
        self,
        client: ClientV2,
        authorization: messages.AuthorizationResource,
        domain: str,
        kind: str,
        pending: Challenges,
        answering: ExitStack,
    ) -> None:
        offered = [body for body in authorization.body.challenges if body.chall.typ == kind]
        if not offered:
            raise AcmeFailure(f"{self.directory_url} offers no {kind} for {domain}")
        challenge, key = offered[0], client.net.key
        answering.enter_context(
            pending.answering(
                kind,
                domain,
                token=challenge.chall.encode("token"),
                key_authorization=challenge.chall.key_authorization(key),
            )
        )
        client.answer_challenge(challenge, challenge.chall.response(key))

    def _failure(self, domain: str, error: Exception, network: Network) -> AcmeFailure:
        problem, hint = _problem(error), "is that the URL of a CA's directory?"
        if problem is not None and problem.typ != "about:blank":
            reason = f"{problem.code or problem.typ}: {problem.detail or problem.title or ''}"
            hint = _HINTS.get(problem.code or "", "the words are the CA's own")
        elif isinstance(error, errors.TimeoutError):
            reason, hint = "it took too long", "the order is tried again"
        elif isinstance(error, OSError):
            reason = _reason(error)
            hint = "is the directory's URL right, and can it be reached from here?"
        elif network.status >= 400:
            reason = f"HTTP status {network.status}"
        else:
            reason = f"its answer is not ACME ({type(error).__name__})"
        failure = AcmeFailure(
            f"{self.directory_url} gave no certificate for {domain}: {reason}", hint=hint
        )
        failure.retry_after_seconds = network.retry_after_seconds
        return failure


def _request(domain: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    return (
        x509.CertificateSigningRequestBuilder(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def _problem(error: Exception) -> messages.Error | None:
    """The CA's own problem document (RFC 8555, section 6.7), wherever the library put it."""
    if isinstance(error, messages.Error):
        return error
    if isinstance(error, errors.IssuanceError):
        return error.error
    if isinstance(error, errors.ValidationError):
        for authorization in error.failed_authzrs:
            for challenge in authorization.body.challenges:
                if challenge.error is not None:
                    problem: messages.Error = challenge.error
                    return problem
    return None


def _reason(error: OSError) -> str:
    """The innermost cause, for which three libraries have their own wrapping."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return one_line(str(cause)) or type(cause).__name__
