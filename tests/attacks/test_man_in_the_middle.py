"""Between the bridge and a SPIRE server: nobody else is ever sent anything, nor believed."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from spiffe_authority import HOME, Domain, TlsServer, tls_server

from spire_bridge.server_api.client import ServerClient
from spire_bridge.spiffe.id import SpiffeId, TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.rpc_errors import PeerNotTrusted
from spire_bridge.transport.tls import TlsCredentials

SERVER = "spiffe://example.org/spire/server"
PARTNER = TrustDomain("partner.example")

Forge = Callable[[Domain], X509Svid]


def self_signed(_: Domain) -> X509Svid:
    """The server's ID, and nobody's signature but its own."""
    return certificate([x509.UniformResourceIdentifier(SERVER)])


def without_an_id(domain: Domain) -> X509Svid:
    """Signed by the trust domain, for a host name that says it is the server."""
    return certificate([x509.DNSName("localhost"), x509.DNSName("spire-server")], domain)


def with_two_ids(domain: Domain) -> X509Svid:
    uris = (SERVER, "spiffe://example.org/web")
    return certificate([x509.UniformResourceIdentifier(uri) for uri in uris], domain)


def certificate(names: list[x509.GeneralName], issuer: Domain | None = None) -> X509Svid:
    key = ec.generate_private_key(ec.SECP256R1())
    ca = issuer.authority.current if issuer is not None else None
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "spire-server")])
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    now = datetime.datetime.now(datetime.UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(ca.issuer.subject if ca is not None else own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(ca.private_key if ca is not None else key, hashes.SHA256())
    )
    return X509Svid(SpiffeId.parse(SERVER), (leaf,), key)


@asynccontextmanager
async def calling(server: TlsServer, bundle: X509Bundle) -> AsyncIterator[ServerClient]:
    credentials = TlsCredentials(None, bundle)
    address = f"tls://127.0.0.1:{server.port}"
    async with ServerClient(address, credentials=lambda: credentials, timeout=5.0) as client:
        yield client


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (self_signed, "self-signed certificate"),
        (lambda _: Domain(HOME).svid(SERVER), "unable to get local issuer"),
        (lambda _: Domain(PARTNER).svid("spiffe://partner.example/spire/server"), "local issuer"),
        (lambda d: d.svid("spiffe://partner.example/spire/server"), "is not of example.org"),
        (lambda d: d.svid("spiffe://example.org/web"), "example.org/web is not authorized"),
        (lambda d: d.svid("spiffe://example.org/spire/agent/x"), "is not authorized"),
        (lambda d: d.svid("spiffe://example.org/spire/server/x"), "is not authorized"),
        (lambda d: d.svid("spiffe://example.org/x/spire/server"), "is not authorized"),
        (lambda d: d.svid("spiffe://example.org/SPIRE/server"), "is not authorized"),
        (lambda d: d.svid(SERVER, expired=True), "expired"),
        (without_an_id, "no X.509-SVID"),
        (with_two_ids, "no X.509-SVID"),
    ],
)
async def test_an_impostor_is_told_nothing(forge: Forge, reason: str) -> None:
    domain = Domain(HOME)
    async with (
        tls_server(forge(domain)) as impostor,
        calling(impostor, domain.bundle) as client,
    ):
        answers = await asyncio.gather(
            *(client.get_bundle(HOME) for _ in range(5)), return_exceptions=True
        )
        assert bytes(impostor.received) == b""
        for answer in answers:
            assert type(answer) is PeerNotTrusted
            assert reason in answer.message


async def test_the_servers_own_certificate_is_spoken_to() -> None:
    """What the impostors lack is all that they lack."""
    domain = Domain(HOME)
    async with (
        tls_server(domain.svid(SERVER)) as server,
        calling(server, domain.bundle) as client,
    ):
        call = asyncio.create_task(client.get_bundle(HOME))
        async with asyncio.timeout(5):
            while not server.received.startswith(b"PRI * HTTP/2.0"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)


async def test_an_impostor_that_takes_over_later_is_told_nothing() -> None:
    """A connection that breaks leads to nobody else, and a call isn't repeated to one."""
    domain = Domain(HOME)
    async with (
        tls_server(domain.svid(SERVER)) as server,
        calling(server, domain.bundle) as client,
    ):
        call = asyncio.create_task(client.get_bundle(HOME))
        async with asyncio.timeout(5):
            while not server.received:  # noqa: ASYNC110 — there is nothing to wait on
                await asyncio.sleep(0.01)
        server.become(domain.svid("spiffe://example.org/web"))
        server.cut()
        server.received.clear()
        with pytest.raises(PeerNotTrusted):
            await call
        with pytest.raises(PeerNotTrusted):
            await client.get_bundle(HOME)
        assert not server.received


async def test_a_server_that_would_speak_plainly_is_told_nothing() -> None:
    """No fallback: what a listener without TLS sees is a TLS greeting, and no request."""
    seen = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.read(65_536))
        writer.write(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")  # HTTP/2 SETTINGS
        writer.close()

    domain = Domain(HOME)
    listener = await asyncio.start_server(plain, "127.0.0.1", 0)
    credentials = TlsCredentials(None, domain.bundle)
    address = f"tls://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, ServerClient(address, credentials=lambda: credentials) as client:
        with pytest.raises(Exception, match="TLS with the server"):
            await client.get_bundle(HOME)
    assert seen.startswith(b"\x16\x03\x01")  # a handshake record
    assert b"PRI * HTTP/2.0" not in seen
    assert b"GetBundle" not in seen
