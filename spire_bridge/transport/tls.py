"""TLS between SPIFFE workloads, for Python's `ssl` (X509-SVID, section 5).

OpenSSL verifies the chain against the bundle of one trust domain; the peer's SPIFFE ID
is checked when the handshake ends, before the caller can write a byte. Credentials are
asked for at every handshake, so a rotated SVID or bundle needs no new context.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

from spire_bridge.errors import BridgeError
from spire_bridge.files.key_material import key_material_as_file
from spire_bridge.spiffe.errors import UntrustedSvid
from spire_bridge.spiffe.id import SpiffeId, TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle, load_certificate
from spire_bridge.spiffe.x509_svid import X509Svid, leaf_spiffe_id

Authorize = Callable[[SpiffeId], bool]


@dataclass(frozen=True, slots=True)
class TlsCredentials:
    """What one handshake needs: the own SVID, and the bundle that the peer must chain to.

    A client without an SVID presents nothing: its peer is known to it, and not it to its peer.
    """

    svid: X509Svid | None
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
    return _MutualContext(credentials, authorize, tuple(alpn))


def server_context(
    svid: Callable[[], X509Svid], *, alpn: Sequence[str] = ("http/1.1",)
) -> ssl.SSLContext:
    """A server's context that presents the workload's own SVID and asks clients for nothing.

    `svid` is called at each handshake, so a rotated SVID counts from the next one on; a
    `BridgeError` of it ends that handshake, and the listener goes on. For servers only.
    """
    return _ServerContext(svid, tuple(alpn))


class _RotatingContext(ssl.SSLContext):
    """Hands every connection to a context made from the credentials of that moment.

    OpenSSL can add roots to a context but not remove them, so one made once could not
    obey a revocation.
    """

    _alpn: tuple[str, ...]

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
            context = _HandshakeContext.of(self, server_side)
            context.refusal = error
        return context.wrap_bio(incoming, outgoing, server_side=server_side)

    def wrap_socket(
        self, sock: socket.socket, server_side: bool = False, *args: Any, **options: Any
    ) -> ssl.SSLSocket:
        options.pop("server_hostname", None)
        return self._fresh(server_side).wrap_socket(sock, server_side, *args, **options)

    def _fresh(self, server_side: bool) -> _HandshakeContext:
        """Raises `ssl.SSLError` if there are no credentials."""
        raise NotImplementedError


class _MutualContext(_RotatingContext):
    """For connections on which both sides present an SVID.

    Made anew each time: a context that two connections share would resume a session, and
    so not verify the peer again.
    """

    _credentials: Callable[[], TlsCredentials]
    _authorize: Authorize

    def __new__(
        cls, credentials: Callable[[], TlsCredentials], authorize: Authorize, alpn: tuple[str, ...]
    ) -> Self:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        self._credentials, self._authorize, self._alpn = credentials, authorize, alpn
        self.check_hostname = False
        return self

    def _fresh(self, server_side: bool) -> _HandshakeContext:
        credentials = _asked_for(self._credentials)
        context = _PeerCheckingContext.of(self, server_side)
        context.trust_domain = credentials.bundle.trust_domain
        context.authorize = self._authorize
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a bundle may hold intermediates
        if credentials.bundle.authorities:
            context.load_verify_locations(cadata=credentials.bundle.pem().decode("ascii"))
        context.present(credentials.svid, self._alpn)
        return context


class _ServerContext(_RotatingContext):
    """For servers that any client may speak to; one context for as long as the SVID stays."""

    _svid: Callable[[], X509Svid]
    _made: tuple[X509Svid, tuple[str, ...], _HandshakeContext] | None

    def __new__(cls, svid: Callable[[], X509Svid], alpn: tuple[str, ...]) -> Self:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._svid, self._alpn, self._made = svid, alpn, None
        return self

    def _fresh(self, server_side: bool) -> _HandshakeContext:
        if not server_side:
            raise ssl.SSLError("this context is for servers: a client has to verify its peer")
        svid = _asked_for(self._svid)
        if self._made is None or self._made[0] is not svid or self._made[1] != self._alpn:
            context = _HandshakeContext.of(self, server_side)
            context.present(svid, self._alpn)
            self._made = svid, self._alpn, context
        return self._made[2]


C = TypeVar("C")


def _asked_for(credentials: Callable[[], C]) -> C:
    try:
        return credentials()
    except BridgeError as error:
        raise ssl.SSLError(f"no SPIFFE credentials: {error}") from error


class _HandshakeContext(ssl.SSLContext):
    """What a connection is made with: a context that OpenSSL knows, and where it comes from."""

    origin: _RotatingContext
    refusal: ssl.SSLError | None = None

    @classmethod
    def of(cls, origin: _RotatingContext, server_side: bool) -> Self:
        context = cls(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
        context.origin = origin
        context.check_hostname = False
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION  # a peer can't become another one later
        return context

    def present(self, svid: X509Svid | None, alpn: tuple[str, ...]) -> None:
        """What the peer is shown; no certificate where there is no SVID."""
        if alpn:
            self.set_alpn_protocols(alpn)
        if svid is None:
            return
        with key_material_as_file(svid.chain_pem() + svid.private_key_pem()) as path:
            self.load_cert_chain(path)

    def check_peer(self, der: bytes | None) -> None:
        """Any peer will do."""


class _PeerCheckingContext(_HandshakeContext):
    """A context for one handshake, which knows whom it may end with."""

    trust_domain: TrustDomain
    authorize: Authorize

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
