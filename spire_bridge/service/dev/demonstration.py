"""What the first run demonstrates with: one trust domain, two clusters, a workload in each."""

from __future__ import annotations

from pathlib import Path

from spire_bridge.listen.address import ListenAddress
from spire_bridge.models.certificate import LoopbackCertificate
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.settings.issuer import IssuerSettings
from spire_bridge.service.settings.listen import ListenSettings, TlsSettings
from spire_bridge.service.settings.serve import ServeSettings
from spire_bridge.service.settings.sources import SourceSettings, WorkloadApiSettings
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.workload.client import WorkloadClient

TRUST_DOMAIN = "example.org"
CLUSTERS = ("east", "west")
AUDIENCE = "demo"


def spiffe_id(cluster: str) -> str:
    """The workload's in that cluster."""
    return f"spiffe://{TRUST_DOMAIN}/{cluster}/web"


async def start_cluster(sandbox: SandboxTrustDomain, name: str) -> Workload:
    cluster: Cluster = await sandbox.start_cluster(name)
    return await cluster.add_workload("web", Entry(spiffe_id(name)))


def settings(
    url: str,
    listen: ListenAddress,
    health: ListenAddress,
    workloads: dict[str, Workload],
    certificate: LoopbackCertificate | None,
) -> ServeSettings:
    """The issuer's, as they would stand in its file."""
    return ServeSettings(
        trust_domain=TRUST_DOMAIN,
        issuer=IssuerSettings(url=url),
        listen=ListenSettings(address=str(listen), tls=_tls(certificate)),
        health=ListenSettings(address=str(health)),
        sources=tuple(
            SourceSettings(name=name, workload_api=WorkloadApiSettings(address=workload.address))
            for name, workload in workloads.items()
        ),
    )


def _tls(files: LoopbackCertificate | None) -> TlsSettings | None:
    if files is None:
        return None
    return TlsSettings(certificate=_text(files.certificate), key=_text(files.key))


def _text(path: Path) -> str:
    return str(path.absolute())


async def fetch(workload: Workload, audience: str = AUDIENCE) -> UnverifiedJwtSvid:
    """A token from the workload's agent."""
    async with WorkloadClient(workload.address) as client:
        return (await client.fetch_jwt_svids([audience]))[0]
