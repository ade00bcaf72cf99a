"""An issuer whose keys come from a server elsewhere: trusted by a file, or by an agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from issuer_at_work import issuing, settings_for

from spire_bridge.config.yaml import InvalidConfig, parse
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.server_certificate import CertificateFault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.settings.sources import ServerApiSettings

WORKLOAD = "spiffe://example.org/workload"


def kids(sandbox: SandboxTrustDomain) -> set[str]:
    return {key.key_id for key in sandbox.jwt.keys}


def settings(address: str, **trust: Any) -> Any:
    server_api = {"address": address, "interval_seconds": 0.5, "timeout_seconds": 2.0, **trust}
    return settings_for(sources=[{"name": "server", "server_api": server_api}])


def bootstrap(sandbox: SandboxTrustDomain, folder: Path) -> str:
    path = folder / "bootstrap.pem"
    path.write_bytes(b"".join(k.root.public_bytes(Encoding.PEM) for k in sandbox.x509.keys))
    return str(path)


def rotate(sandbox: SandboxTrustDomain) -> None:
    """An authority that had not been heard of takes over at once, and the one before is gone."""
    (old,) = sandbox.x509.states
    sandbox.x509.prepare()
    sandbox.x509.activate()
    sandbox.x509.revoke(old)


async def test_by_a_file_and_over_restarts_by_what_the_server_told(
    sandbox: SandboxTrustDomain, tmp_path: Path
) -> None:
    address = await sandbox.start_server_tls(max_connection_age_seconds=0.2)
    trust = {
        "bootstrap_bundle": bootstrap(sandbox, tmp_path),
        "bundle_cache": str(tmp_path / "cache.json"),
    }
    async with issuing(settings(address, **trust)) as at_work:
        await at_work.serves(kids(sandbox))
        (old,) = sandbox.x509.states
        sandbox.x509.activate(sandbox.x509.prepare())
        sandbox.jwt.prepare()
        await at_work.serves(kids(sandbox))  # with the answer that told of the authority too
        sandbox.x509.taint(old)
        sandbox.x509.revoke(old)
        sandbox.jwt.prepare()
        await at_work.serves(kids(sandbox))
        assert await at_work.error_of("server") is None
    async with issuing(settings(address, **trust)) as at_work:
        await at_work.serves(kids(sandbox))


async def test_by_an_agent_whose_svid_is_shown(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    address = await sandbox.start_server_tls(
        require_client_certificate=True, max_connection_age_seconds=0.2
    )
    async with issuing(settings(address, workload_api=workload.address)) as at_work:
        await at_work.serves(kids(sandbox))
        rotate(sandbox)  # which the agent tells at once
        sandbox.jwt.prepare()
        await at_work.serves(kids(sandbox))
        workload.deregister(WORKLOAD)
        await at_work.reports("server", "PERMISSION_DENIED")
        assert await at_work.key_ids() == kids(sandbox)
        workload.register(Entry(WORKLOAD))
        await at_work.reports("server", None)


async def test_an_agent_without_an_identity_for_us_is_waited_for(
    sandbox: SandboxTrustDomain, workload: Workload
) -> None:
    address = await sandbox.start_server_tls()
    workload.deregister(WORKLOAD)
    async with issuing(settings(address, workload_api=workload.address)) as at_work:
        await at_work.reports("server", "PERMISSION_DENIED")
        workload.register(Entry(WORKLOAD))
        await at_work.serves(kids(sandbox))


async def test_a_server_that_is_not_trusted_is_reported(
    sandbox: SandboxTrustDomain, tmp_path: Path
) -> None:
    address = await sandbox.start_server_tls()
    sandbox.server_certificate.fault = CertificateFault.WRONG_ID
    trust = {"bootstrap_bundle": bootstrap(sandbox, tmp_path)}
    async with issuing(settings(address, **trust)) as at_work:
        await at_work.reports("server", "PEER_NOT_TRUSTED")
        assert await at_work.key_ids() == 503
        sandbox.server_certificate.fault = None
        await at_work.serves(kids(sandbox))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("address: tls://spire:8081", "1: address: A server elsewhere needs exactly one of"),
        (
            "address: tls://spire:8081\nbootstrap_bundle: /b\nworkload_api: unix:/a",
            "1: address: A server elsewhere needs exactly one of",
        ),
        ("address: unix:/s\nbootstrap_bundle: /b", "2: bootstrap_bundle: Expected an address that"),
        ("address: unix:/s\nworkload_api: unix:/a", "2: workload_api: Expected an address that"),
        ("address: tls://spire:8081\nbootstrap_bundle: b", "2: bootstrap_bundle: Expected an abso"),
        ("address: tls://spire:8081\nworkload_api: /a", "2: workload_api: Workload API address st"),
        (
            "address: tls://spire:8081\nworkload_api: unix:/a\nbundle_cache: /c",
            "3: bundle_cache: Expected `bootstrap_bundle` besides",
        ),
        (
            "address: tls://spire:8081\nbootstrap_bundle: /b\nbundle_cache: c",
            "3: bundle_cache: Expected an absolute path",
        ),
        ("address: tcp://spire:8081", r"did you mean tls://spire:8081\?"),
    ],
)
def test_settings_that_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidConfig, match=complaint):
        parse(text.encode(), ServerApiSettings, name="server.yaml")
