"""TLS between SPIFFE workloads, for Python's `ssl` (X509-SVID, section 5).

OpenSSL verifies the chain against the bundle of one trust domain; the peer's SPIFFE ID
is checked when the handshake ends, before the caller can write a byte. Credentials are
asked for at every handshake, so a rotated SVID or bundle needs no new context.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

from spire_bridge.errors import BridgeError
from spire_bridge.spiffe.errors import UntrustedSvid
from spire_bridge.spiffe.id import SpiffeId, TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle, load_certificate
from spire_bridge.spiffe.x509_svid import X509Svid, leaf_spiffe_id

Authorize = Callable[[SpiffeId], bool]


@dataclass(frozen=True, slots=True)
class TlsCredentials:
    """What one handshake needs: the own SVID, and the bundle that the peer must chain to."""

    svid: X509Svid
    bundle: X509Bundle


def exactly(spiffe_id: SpiffeId | str) -> Authorize:
    """Admits one peer."""
    wanted = str(spiffe_id)
    return lambda peer: str(peer) == wanted


def any_member(_: SpiffeId) -> bool:
    """Admits every workload of the trust domain whose bundle is in use."""
    return True


def spiffe_context(
    credentials: Callable[[], TlsCredentials],
    *,
    authorize: Authorize,
    alpn: Sequence[str] = (),
) -> ssl.SSLContext:
    """A context for clients and servers, for `asyncio`, sockets and libraries that take one.

    `credentials` is called at each handshake; a `BridgeError` of it ends the handshake.
    The peer must chain to the credentials' bundle, belong to that trust domain and be
    admitted by `authorize`; otherwise the handshake raises `ssl.SSLError`. There is no
    host name in it: a SPIFFE peer is known by its ID.
    """
    return _RotatingContext(credentials, authorize, tuple(alpn))


class _RotatingContext(ssl.SSLContext):
    """Hands every connection to a context made from the credentials of that moment.

    OpenSSL can add roots to a context but not remove them, so one made once could not
    obey a revocation.
    """

    _credentials: Callable[[], TlsCredentials]
    _authorize: Authorize
    _alpn: tuple[str, ...]

    def __new__(
        cls, credentials: Callable[[], TlsCredentials], authorize: Authorize, alpn: tuple[str, ...]
    ) -> Self:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        self._credentials, self._authorize, self._alpn = credentials, authorize, alpn
        self.check_hostname = False
        return self

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """As HTTP libraries call it; counts from the next connection on."""
        self._alpn = tuple(alpn_protocols)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        *_: Any,
        **__: Any,
    ) -> ssl.SSLObject:
        try:
            context = self._fresh(server_side)
        except ssl.SSLError as error:  # for the handshake: asyncio closes no socket before it
            context = self._new(server_side)
            context.refusal = error
        return context.wrap_bio(incoming, outgoing, server_side=server_side)

    def wrap_socket(
        self, sock: socket.socket, server_side: bool = False, *args: Any, **options: Any
    ) -> ssl.SSLSocket:
        options.pop("server_hostname", None)
        return self._fresh(server_side).wrap_socket(sock, server_side, *args, **options)

    def _fresh(self, server_side: bool) -> ssl.SSLContext:
        try:
            credentials = self._credentials()
        except BridgeError as error:
            raise ssl.SSLError(f"no SPIFFE credentials: {error}") from error
        context = self._new(server_side)
        context.trust_domain = credentials.bundle.trust_domain
        context.authorize = self._authorize
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION  # a peer can't become another one later
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a bundle may hold intermediates
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        if credentials.bundle.authorities:
            context.load_verify_locations(cadata=credentials.bundle.pem().decode("ascii"))
        with _as_file(credentials.svid.chain_pem() + credentials.svid.private_key_pem()) as path:
            context.load_cert_chain(path)
        return context

    def _new(self, server_side: bool) -> _HandshakeContext:
        context = _HandshakeContext(
            ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
        )
        context.origin = self
        context.check_hostname = False
        return context


class _HandshakeContext(ssl.SSLContext):
    """A context for one handshake, which knows whom it may end with."""

    origin: _RotatingContext
    trust_domain: TrustDomain
    authorize: Authorize
    refusal: ssl.SSLError | None = None

    def check_peer(self, der: bytes | None) -> None:
        """Raises `ssl.SSLCertVerificationError` unless the peer may be spoken to."""
        try:
            if der is None:
                raise UntrustedSvid("peer has sent no certificate")
            peer = leaf_spiffe_id(load_certificate(der))
        except (BridgeError, ValueError) as error:
            raise ssl.SSLCertVerificationError(f"peer has no X.509-SVID: {error}") from None
        if not peer.is_member_of(self.trust_domain):
            raise ssl.SSLCertVerificationError(f"peer {peer} is not of {self.trust_domain}")
        if not self.authorize(peer):
            raise ssl.SSLCertVerificationError(f"peer {peer} is not authorized")


# OpenSSL shakes hands by itself when data is read or written before the handshake, or after
# one whose error the caller has ignored; so those calls look at the peer as well.


class _CheckedObject(ssl.SSLObject):
    _checked = False

    def do_handshake(self) -> None:
        if (refusal := cast("_HandshakeContext", self.context).refusal) is not None:
            raise refusal
        super().do_handshake()
        cast("_HandshakeContext", self.context).check_peer(self.getpeercert(binary_form=True))
        self._checked = True

    def read(self, *args: Any) -> Any:
        self._check()
        return super().read(*args)

    def write(self, data: Any) -> int:
        self._check()
        return super().write(data)

    def _check(self) -> None:
        if not self._checked:
            self.do_handshake()


class _CheckedSocket(ssl.SSLSocket):
    do_handshake_on_connect: bool
    suppress_ragged_eofs: bool
    _checked = False

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        cast("_HandshakeContext", self.context).check_peer(self.getpeercert(binary_form=True))
        self._checked = True

    def read(self, *args: Any) -> Any:
        self._check()
        return super().read(*args)

    def write(self, data: Any) -> int:
        self._check()
        return super().write(data)

    def send(self, *args: Any) -> int:
        self._check()
        return super().send(*args)

    def accept(self) -> tuple[ssl.SSLSocket, Any]:
        """A connection with the credentials of now, not of when the listener was wrapped."""
        connection, address = socket.socket.accept(self)
        try:
            wrapped = cast("_HandshakeContext", self.context).origin.wrap_socket(
                connection,
                server_side=True,
                do_handshake_on_connect=self.do_handshake_on_connect,
                suppress_ragged_eofs=self.suppress_ragged_eofs,
            )
        except BaseException:
            connection.close()
            raise
        return wrapped, address

    def _check(self) -> None:
        if not self._checked:
            self.do_handshake()


_HandshakeContext.sslobject_class = _CheckedObject
_HandshakeContext.sslsocket_class = _CheckedSocket


@contextmanager
def _as_file(secret: bytes) -> Iterator[str]:
    """A path at which OpenSSL can read `secret`: in memory where the system has such files."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("svid", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, secret)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile() as file:  # 0600 from its creation on
            file.write(secret)
            file.flush()
            yield file.name
