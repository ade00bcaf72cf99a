"""The ways to a trust domain's server: its own socket, and TLS with either kind of trust."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from cryptography import x509
from trust_domains.under_test import TrustDomainUnderTest

from spire_bridge.server_api.bundle_source import ServerApiSource
from spire_bridge.server_api.client import ServerClient
from spire_bridge.server_api.trust import OpenTrust
from spire_bridge.service.issuing.server_trust import server_trust
from spire_bridge.service.settings.sources import ServerApiSettings
from spire_bridge.spiffe.id import TrustDomain

INTERVAL_SECONDS = 0.2


class Way:
    """One way to a trust domain's server."""

    def __init__(self, trust_domain: TrustDomain, address: str, trust: OpenTrust | None) -> None:
        self._trust_domain = trust_domain
        self._address = address
        self._trust = trust

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ServerClient]:
        async with AsyncExitStack() as stack:
            credentials = None
            if self._trust is not None:
                credentials = (await stack.enter_async_context(self._trust())).credentials
            client = ServerClient(self._address, credentials=credentials)
            yield await stack.enter_async_context(client)

    def source(self, trust_domain: TrustDomain | None = None) -> ServerApiSource:
        return ServerApiSource(
            "server",
            self._address,
            trust_domain or self._trust_domain,
            INTERVAL_SECONDS,
            trust=self._trust,
        )


async def trust_by(kind: str, trust_domain: TrustDomainUnderTest, folder: Path) -> OpenTrust:
    """What the server is trusted by, as `serve` makes it of its settings."""
    if kind == "workload API":
        agent = await trust_domain.agent("east")
        await agent.register("/issuer")
        settings = ServerApiSettings(
            address=trust_domain.server_tls_address, workload_api=agent.address
        )
    else:
        bootstrap = folder / "bootstrap.pem"
        bootstrap.write_bytes(await trust_domain.bootstrap_bundle())
        settings = ServerApiSettings(
            address=trust_domain.server_tls_address,
            bootstrap_bundle=str(bootstrap),
            bundle_cache=str(folder / "cache.json"),
        )
    made = server_trust(settings, TrustDomain(trust_domain.name))
    assert made is not None
    return made


def port_of(trust_domain: TrustDomainUnderTest) -> int:
    return int(trust_domain.server_tls_address.rpartition(":")[2])


async def certificate_is_not_of(
    authority_id: str, trust_domain: TrustDomainUnderTest
) -> bool | None:
    """Whether the server has replaced its own certificate. Revoking earlier shuts everybody out."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(trust_domain), ssl=context)
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    extensions = x509.load_der_x509_certificate(der).extensions
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier is not None
    return issuer.key_identifier.hex() != authority_id or None
