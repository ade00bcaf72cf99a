"""A trust domain's certificate authority, and TLS servers that are known or unknown to it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from spire_bridge.files.key_material import key_material_as_file
from spire_bridge.sandbox.x509_authority import X509Authority, certificate_der
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.tls import Authorize, TlsCredentials, any_member, spiffe_context

HOME = TrustDomain("example.org")


class Domain:
    """A trust domain's certificate authority, and credentials below it."""

    def __init__(self, name: TrustDomain = HOME, *, intermediate: bool = False) -> None:
        self.name = name
        self.authority = X509Authority(
            time.time, trust_domain_id=str(name.id()), intermediate=intermediate
        )

    @property
    def bundle(self) -> X509Bundle:
        roots = b"".join(certificate_der(key.root) for key in self.authority.keys)
        return X509Bundle.from_der(self.name, roots)

    def svid(self, spiffe_id: str, *, expired: bool = False) -> X509Svid:
        start = int(time.time()) - 7200 if expired else None
        issued = self.authority.issue(spiffe_id, 3600, issued_at=start)
        return X509Svid.from_der(issued.chain_der, issued.key_der)

    def credentials(self, spiffe_id: str, bundle: X509Bundle | None = None) -> TlsCredentials:
        return TlsCredentials(self.svid(spiffe_id), bundle or self.bundle)

    def context(self, spiffe_id: str, authorize: Authorize = any_member) -> ssl.SSLContext:
        fixed = self.credentials(spiffe_id)
        return spiffe_context(lambda: fixed, authorize=authorize)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class TlsServer:
    """A server that is none of ours: it presents `svid`, and talks as `serve` says.

    By default it only listens. `received` is all that came through TLS, and `peers` the
    certificates of its clients, in DER, None for one that has shown none.
    """

    def __init__(
        self, svid: X509Svid, serve: Serve | None = None, *, clients: X509Bundle | None = None
    ) -> None:
        self.received = bytearray()
        self.peers: list[bytes | None] = []
        self.context = server_context(svid, clients)
        self.port = 0
        self.connections: set[asyncio.StreamWriter] = set()
        self._serve = serve or self.record
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._accepted, "127.0.0.1", self.port, ssl=self.context
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cuts every connection, and listens no more."""
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()

    def become(self, svid: X509Svid) -> None:
        """Presents another certificate, from the next handshake on."""
        _present(svid, self.context)

    def cut(self) -> None:
        """Cuts every connection."""
        for connection in self.connections:
            connection.transport.abort()

    async def record(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """Remembers what comes."""
        while chunk := await reader.read(65_536):
            self.received += chunk

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        self.peers.append(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        try:
            with suppress(OSError):
                await self._serve(reader, writer)
                writer.close()
                await writer.wait_closed()
        finally:
            self.connections.discard(writer)
            writer.transport.abort()


def server_context(svid: X509Svid, clients: X509Bundle | None = None) -> ssl.SSLContext:
    """A server that presents `svid`, and asks clients for a certificate below `clients`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    _present(svid, context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.pem().decode())
    return context


def _present(svid: X509Svid, context: ssl.SSLContext) -> None:
    with key_material_as_file(svid.chain_pem() + svid.private_key_pem()) as path:
        context.load_cert_chain(path)


@asynccontextmanager
async def tls_server(
    svid: X509Svid, serve: Serve | None = None, *, clients: X509Bundle | None = None
) -> AsyncIterator[TlsServer]:
    """A `TlsServer` on a port of its own."""
    server = TlsServer(svid, serve, clients=clients)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
