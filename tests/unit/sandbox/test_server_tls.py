"""The sandbox's server over TLS: its certificate through rotations and faults, seen by `ssl`."""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from spire_bridge.files.key_material import key_material_as_file
from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.server_certificate import CertificateFault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
SERVER = "spiffe://example.org/spire/server"


def context(sandbox: SandboxTrustDomain) -> ssl.SSLContext:
    """Verifies by the authorities of now, and no name."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.set_alpn_protocols(["h2"])
    pem = b"".join(ca.root.public_bytes(Encoding.PEM) for ca in sandbox.x509.keys)
    made.load_verify_locations(cadata=pem.decode())
    return made


async def presented(address: str, client: ssl.SSLContext) -> x509.Certificate:
    """The server's certificate, once it has answered like an HTTP/2 server."""
    place = urlsplit(address)
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(place.hostname, place.port, ssl=client)
        try:
            writer.write(PREFACE)
            await reader.readexactly(9)
            tls = writer.get_extra_info("ssl_object")
            assert tls.selected_alpn_protocol() == "h2"
            return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
        finally:
            writer.transport.abort()


def spiffe_ids(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def authority_of(certificate: x509.Certificate) -> str:
    key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert key.key_identifier is not None
    return key.key_identifier.hex()


@pytest.mark.parametrize("intermediate", [False, True])
async def test_it_is_the_server_of_its_trust_domain(intermediate: bool) -> None:
    async with SandboxTrustDomain("example.org", x509_intermediate=intermediate) as sandbox:
        address = await sandbox.start_server_tls()
        assert address.startswith("tls://127.0.0.1:")
        assert spiffe_ids(await presented(address, context(sandbox))) == [SERVER]


async def test_its_certificate_follows_taint_and_not_activation(
    sandbox: SandboxTrustDomain,
) -> None:
    address = await sandbox.start_server_tls()
    (old,) = sandbox.x509.states
    new = sandbox.x509.prepare()
    sandbox.x509.activate(new)
    assert authority_of(await presented(address, context(sandbox))) == old
    sandbox.x509.taint(old)
    assert authority_of(await presented(address, context(sandbox))) == new
    sandbox.x509.revoke(old)
    assert authority_of(await presented(address, context(sandbox))) == new


async def test_its_certificate_is_renewed_at_half_of_its_life() -> None:
    ahead = [0.0]
    async with SandboxTrustDomain(
        "example.org", clock=lambda: time.time() + ahead[-1], authority_ttl_seconds=7200
    ) as sandbox:
        address = await sandbox.start_server_tls()
        first = await presented(address, context(sandbox))
        sandbox.tick()
        assert await presented(address, context(sandbox)) == first
        ahead.append(1801.0)
        sandbox.server_certificate.refresh()
        ahead.append(0.0)
        client = context(sandbox)
        client.verify_mode = ssl.CERT_NONE  # it starts in the future
        assert (await presented(address, client)).not_valid_after_utc > first.not_valid_after_utc


async def test_it_stays_when_every_authority_is_revoked(sandbox: SandboxTrustDomain) -> None:
    address = await sandbox.start_server_tls()
    before = context(sandbox)
    sandbox.x509.revoke(next(iter(sandbox.x509.states)))
    assert spiffe_ids(await presented(address, before)) == [SERVER]


async def test_a_wrong_id(sandbox: SandboxTrustDomain) -> None:
    address = await sandbox.start_server_tls()
    sandbox.server_certificate.fault = CertificateFault.WRONG_ID
    assert sandbox.server_certificate.fault is CertificateFault.WRONG_ID
    certificate = await presented(address, context(sandbox))
    assert spiffe_ids(certificate) == ["spiffe://example.org/workload"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (CertificateFault.OTHER_AUTHORITY, "unable to get local issuer certificate"),
        (CertificateFault.EXPIRED, "certificate has expired"),
    ],
)
async def test_a_certificate_that_is_refused(
    sandbox: SandboxTrustDomain, fault: CertificateFault, reason: str
) -> None:
    address = await sandbox.start_server_tls()
    sandbox.server_certificate.fault = fault
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        await presented(address, context(sandbox))
    lenient = context(sandbox)
    lenient.verify_mode = ssl.CERT_NONE
    certificate = await presented(address, lenient)
    assert spiffe_ids(certificate) == [SERVER]
    expired = certificate.not_valid_after_utc < datetime.now(UTC)
    assert expired is (fault is CertificateFault.EXPIRED)
    sandbox.server_certificate.fault = None
    assert spiffe_ids(await presented(address, context(sandbox))) == [SERVER]


async def test_a_client_may_have_to_show_an_svid(sandbox: SandboxTrustDomain) -> None:
    address = await sandbox.start_server_tls(require_client_certificate=True)
    client = context(sandbox)
    with pytest.raises((OSError, EOFError)):
        await presented(address, client)
    svid = sandbox.x509.issue("spiffe://example.org/web", 300)
    pem = b"".join(c.public_bytes(Encoding.PEM) for c in svid.chain)
    key = ssl.DER_cert_to_PEM_cert(svid.key_der).replace("CERTIFICATE", "PRIVATE KEY")
    with key_material_as_file(pem + key.encode()) as path:
        client.load_cert_chain(path)
    assert spiffe_ids(await presented(address, client)) == [SERVER]


async def test_it_goes_and_comes_back_at_the_same_port(sandbox: SandboxTrustDomain) -> None:
    address = await sandbox.start_server_tls()
    await sandbox.server_api.stop()
    with pytest.raises(OSError, match="Connect call failed"):
        await presented(address, context(sandbox))
    await sandbox.start_server_api()
    assert sandbox.server_api.tls_address == address
    assert await presented(address, context(sandbox))


async def test_it_speaks_tls_once_and_when_asked_to(sandbox: SandboxTrustDomain) -> None:
    await sandbox.start_server_api()
    with pytest.raises(SandboxError, match="does not speak TLS"):
        _ = sandbox.server_api.tls_address
    with pytest.raises(SandboxError, match="speaks no TLS"):
        _ = sandbox.server_certificate
    await sandbox.start_server_tls()
    with pytest.raises(SandboxError, match="already"):
        await sandbox.start_server_tls()
