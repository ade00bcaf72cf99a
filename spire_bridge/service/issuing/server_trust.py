"""What a SPIRE server elsewhere is trusted by, as the settings of its source say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from spire_bridge.server_api.trust import BootstrappedTrust, OpenTrust
from spire_bridge.service.settings.sources import ServerApiSettings
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.transport.tls import TlsCredentials
from spire_bridge.workload.client import WorkloadClient
from spire_bridge.workload.x509_source import X509Source


def server_trust(settings: ServerApiSettings, trust_domain: TrustDomain) -> OpenTrust | None:
    """None for a server behind its own socket."""
    if (bootstrap := settings.bootstrap_bundle) is not None:
        cache = None if settings.bundle_cache is None else Path(settings.bundle_cache)
        return partial(BootstrappedTrust, trust_domain, Path(bootstrap), cache)
    if (agent := settings.workload_api) is not None:
        return partial(_trust_of_agent, agent, trust_domain, settings.timeout_seconds)
    return None


class AgentTrust:
    """This process's own X.509-SVID, and the bundle that its agent has sent last."""

    def __init__(self, source: X509Source, trust_domain: TrustDomain) -> None:
        self._source = source
        self._trust_domain = trust_domain

    def credentials(self) -> TlsCredentials:
        return TlsCredentials(self._source.svid, self._source.bundle(self._trust_domain))

    def learn(self, bundle: X509Bundle) -> None:
        """The agent tells what to trust, not the server."""


@asynccontextmanager
async def _trust_of_agent(
    address: str, trust_domain: TrustDomain, timeout_seconds: float
) -> AsyncIterator[AgentTrust]:
    async with WorkloadClient(address, timeout=timeout_seconds) as client, X509Source(client) as x:
        yield AgentTrust(x, trust_domain)
