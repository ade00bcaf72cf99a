"""A server's TLS context that has a certificate for each domain, and answers TLS-ALPN-01.

Python's `ssl` tells the server name but not the protocols that a client offers, so while
a challenge is pending the ClientHello is read here before OpenSSL gets it. Everybody
else is served as ever.
"""

from __future__ import annotations

import ssl
from typing import Any, Self, cast

from spire_bridge.listen.acme.challenges import Challenges
from spire_bridge.listen.acme.client_hello import ClientHello, read_client_hello


class DomainContext(ssl.SSLContext):
    """Chooses the certificate by server name; refuses names that it has none for.

    A certificate that is replaced serves no new handshake; connections that stand are
    left alone. For asyncio's servers only.
    """

    _challenges: Challenges
    _certificates: dict[str, ssl.SSLContext | None]

    def __new__(cls, domains: tuple[str, ...], challenges: Challenges) -> Self:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._challenges = challenges
        self._certificates = dict.fromkeys(domains)
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        self.options |= ssl.OP_NO_RENEGOTIATION
        self.sni_callback = cast("Any", self._choose)
        return self

    def use(self, domain: str, context: ssl.SSLContext) -> None:
        """Serves `domain` with the certificate of `context` from now on."""
        self._certificates[domain] = context

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        connection = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        cast("_Connection", connection).watch(incoming, outgoing, self._challenges)
        return connection

    def _choose(
        self, connection: ssl.SSLObject, server_name: str | None, _: ssl.SSLContext
    ) -> int | None:
        """OpenSSL asks for the context to go on with, or for the alert to end with."""
        challenge = cast("_Connection", connection).challenge
        if challenge is not None:
            connection.context = challenge
            return None
        name = (server_name or "").lower().removesuffix(".")
        if name not in self._certificates:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        certificate = self._certificates[name]
        if certificate is None:  # not yet
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = certificate
        return None


class _Connection(ssl.SSLObject):
    """One connection, which knows whether a CA came on it."""

    challenge: ssl.SSLContext | None = None
    _incoming: ssl.MemoryBIO | None = None

    def watch(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, challenges: Challenges
    ) -> None:
        self._incoming, self._outgoing, self._challenges = incoming, outgoing, challenges

    def do_handshake(self) -> None:
        if self._incoming is not None and self._incoming.pending:
            if self._challenges.awaits_handshake:
                hello = _peek(self._incoming)
                if hello is None:
                    raise ssl.SSLWantReadError("the ClientHello is not whole yet")
                self.challenge = self._challenges.context_for(hello)
            self._incoming = None
        try:
            super().do_handshake()
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError as refusal:
            if not self._outgoing.pending:
                raise
            # asyncio drops what is not sent yet, unless it is told to wait: here, the alert.
            raise ssl.SSLWantReadError("the client is to close") from refusal

    def read(self, *args: Any) -> Any:
        if self.challenge is not None:  # acme-tls/1 carries no data: RFC 8737, section 4
            return b"" if len(args) < 2 else 0
        return super().read(*args)


DomainContext.sslobject_class = _Connection


def _peek(incoming: ssl.MemoryBIO) -> ClientHello | None:
    """Reads what has come, and puts it back for OpenSSL."""
    data = incoming.read()
    incoming.write(data)
    return read_client_hello(data)
