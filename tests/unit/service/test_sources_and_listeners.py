"""Sources other than agents, and listeners other than a port, as the settings name them."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from issuer_at_work import LOOPBACK, issuing, settings_for, source, until

from spire_bridge.config.yaml import InvalidConfig, parse
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.settings.serve import ServeSettings

GET_KEYS = b"GET /keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def kids(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


async def server_source(sandbox: SandboxTrustDomain) -> dict[str, Any]:
    address = await sandbox.start_server_api()
    return {"name": "server", "server_api": {"address": address, "interval_seconds": 0.5}}


async def test_the_server_is_followed(sandbox: SandboxTrustDomain) -> None:
    settings = settings_for(sources=[await server_source(sandbox)])
    async with issuing(settings) as at_work:
        await at_work.serves(kids(sandbox))
        sandbox.jwt.prepare()
        await at_work.serves(kids(sandbox))


async def test_the_server_overrides_an_agent_that_lags(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    sources = [await server_source(sandbox), source(workload)]
    async with issuing(settings_for(sources=sources)) as at_work:
        await at_work.serves(kids(sandbox))
        sandbox.clusters["east"].hold_bundles()
        old = next(iter(kids(sandbox)))
        sandbox.jwt.prepare()
        sandbox.jwt.revoke(old)
        await at_work.serves(kids(sandbox))

        lagging = await at_work.source("east")
        assert (lagging["lagging"], lagging["stale_keys"]) == (True, [old])


async def test_a_file_is_followed(sandbox: SandboxTrustDomain, tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    document = '{"keys": []}'
    path.write_text(document)
    settings = settings_for(sources=[{"name": "disk", "file": {"path": str(path)}}])
    async with issuing(settings) as at_work:
        await at_work.serves(set())
        path.write_text(document[:5])
        await at_work.reports("disk", "BUNDLE_INVALID")
        assert await at_work.key_ids() == set()


async def test_a_unix_socket_is_listened_at(workload: Workload, tmp_path: Path) -> None:
    path = workload.socket_path.with_name("issuer.sock")
    listen = {"socket": str(path), "socket_mode": "0600"}
    async with issuing(settings_for(workload, listen=listen)):
        assert path.stat().st_mode & 0o777 == 0o600

        async def status() -> bytes:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(GET_KEYS)
            answer = await reader.read()
            writer.close()
            return answer.split()[1]

        await until(status, b"200")
    assert not path.exists()


async def test_a_certificate_that_changes_is_taken_up(
    workload: Workload, sandbox: SandboxTrustDomain, tmp_path: Path
) -> None:
    def write() -> bytes:
        """A new certificate and key in the files; the certificate, DER."""
        issued = sandbox.x509.issue("spiffe://example.org/issuer", 3600)
        (tmp_path / "tls.key").write_text(
            ssl.DER_cert_to_PEM_cert(issued.key_der).replace("CERTIFICATE", "PRIVATE KEY")
        )
        (tmp_path / "tls.pem").write_text(ssl.DER_cert_to_PEM_cert(issued.chain_der))
        return issued.chain_der

    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    first = write()
    tls = {
        "certificate": str(tmp_path / "tls.pem"),
        "key": str(tmp_path / "tls.key"),
        "interval_seconds": 0.1,
    }
    settings = settings_for(workload, listen={**LOOPBACK, "tls": tls})
    async with issuing(settings) as at_work:
        port = at_work.addresses.issuer.port  # type: ignore[union-attr]

        async def shown() -> bytes | None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
            certificate: bytes | None = writer.get_extra_info("ssl_object").getpeercert(True)
            writer.write(GET_KEYS)
            assert (await reader.read()).startswith(b"HTTP/1.1 ")
            writer.close()
            return certificate

        assert await shown() == first
        (tmp_path / "tls.key").write_text("no key")
        await asyncio.sleep(0.3)
        assert await shown() == first
        await until(shown, write())


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ("sources: [{name: a}]", "exactly one of"),
        ("sources: [{name: a, file: {path: b}}]", "absolute path"),
        ("sources: [{name: a, server_api: {address: 'tcp://x'}}]", "unix:"),
        ("listen: {}", "exactly one of"),
        ("listen: {address: '127.0.0.1:1', socket: /x}", "exactly one of"),
        ("listen: {socket: /x, socket_mode: '0999'}", "socket_mode"),
        ("listen: {address: '127.0.0.1:1', tls: {certificate: /x}}", "key"),
    ],
)
def test_settings_that_are_refused(part: str, complaint: str) -> None:
    content = {
        "trust_domain": "trust_domain: example.org",
        "issuer": "issuer: {url: 'https://issuer.example.org'}",
        "sources": "sources: [{name: a, file: {path: /b}}]",
    }
    content[part.partition(":")[0]] = part
    with pytest.raises(InvalidConfig, match=complaint):
        parse("\n".join(content.values()).encode(), ServeSettings, name="issuer.yaml")
