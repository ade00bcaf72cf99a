"""The issuer service at work, over the sandbox or over real SPIRE."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt as pyjwt
from child_process import LOOPBACK, free_port
from trust_domains.under_test import AgentUnderTest, TrustDomainUnderTest, eventually

from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.jwt_authority import KeyType
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.service.issuing.service import IssuerService
from spire_bridge.service.settings.issuer import IssuerSettings
from spire_bridge.service.settings.listen import ListenSettings, TlsSettings
from spire_bridge.service.settings.serve import ServeSettings
from spire_bridge.service.settings.sources import SourceSettings, WorkloadApiSettings
from spire_bridge.workload.client import WorkloadClient
from verifiers.forgeries import Forgery, Jwk
from verifiers.http_json import HttpRefusal, get
from verifiers.private_ca import PrivateCa

NAME = "peers.test"
AUDIENCE = "relying-party"


@dataclass(frozen=True, slots=True)
class ServedIssuer:
    """An issuer as relying parties know it: by its URL."""

    url: str
    tls: PrivateCa | None = field(default=None, kw_only=True)

    async def discovery(self) -> dict[str, Any]:
        url = self.url.removesuffix("/") + "/.well-known/openid-configuration"
        document: dict[str, Any] = await asyncio.to_thread(get, url, self._ca)
        return document

    async def keys(self) -> dict[str, Jwk]:
        """The keys that are served, by key ID."""
        jwks_uri = (await self.discovery())["jwks_uri"]
        jwks = await asyncio.to_thread(get, jwks_uri, self._ca)
        return {jwk["kid"]: jwk for jwk in jwks["keys"]}

    async def until(self, served: Callable[[dict[str, Jwk]], bool]) -> None:
        """Waits for keys that fulfil the condition."""

        async def check() -> bool | None:
            try:
                return served(await self.keys()) or None
            except HttpRefusal as refusal:
                if refusal.status == 503:  # no bundle has arrived yet
                    return None
                raise

        await eventually(check)

    async def forge(self, forgery: Forgery, token: str) -> str:
        """What `forgery` makes of a good token."""
        return forgery(token, (await self.keys())[key_id(token)])

    @property
    def _ca(self) -> Path | None:
        return self.tls.ca if self.tls else None


@dataclass(frozen=True, slots=True)
class IssuerUnderTest(ServedIssuer):
    """An issuer over a trust domain of either kind, whose tokens come from its agent."""

    trust_domain: TrustDomainUnderTest
    agent: AgentUnderTest

    def spiffe_id(self, path: str) -> str:
        return f"spiffe://{self.trust_domain.name}{path}"

    async def token(self, *audience: str, path: str = "/web") -> str:
        """A token from the Workload API, signed by a key that the issuer serves.

        Right after a rotation the agent may still have one that is not.
        """

        async def fetch() -> str | None:
            async with WorkloadClient(self.agent.address) as client:
                (svid,) = await client.fetch_jwt_svids(audience, spiffe_id=self.spiffe_id(path))
            return svid.token if key_id(svid.token) in await self.keys() else None

        return await eventually(fetch)

    async def expired_token(self) -> str:
        """A token that was good until a moment ago."""
        token = await self.token(AUDIENCE, path="/brief")
        expires_at = pyjwt.decode(token, options={"verify_signature": False})["exp"]
        await asyncio.sleep(max(0.0, expires_at - time.time()) + 0.1)
        return token


@dataclass(frozen=True, slots=True)
class SandboxIssuer(ServedIssuer):
    """An issuer over a sandbox, which signs whatever a test wants signed."""

    sandbox: SandboxTrustDomain

    def token(self, **changes: Any) -> str:
        """A good token but for the `changes` of its claims; None leaves a claim out."""
        now = int(time.time())
        claims = {
            "aud": [AUDIENCE],
            "exp": now + 300,
            "iat": now,
            "iss": self.url,
            "sub": f"spiffe://{NAME}/web",
        }
        kept = {name: value for name, value in (claims | changes).items() if value is not None}
        return self.sandbox.jwt.sign(kept)


@asynccontextmanager
async def sandbox_issuer(
    key_type: KeyType = KeyType.EC_P256,
    path: str = "",
    *,
    tls: PrivateCa | None = None,
    cache_seconds: int = 300,
) -> AsyncIterator[SandboxIssuer]:
    """An issuer at a free port, with `path` at the end of its URL."""
    url = free_url(path, tls=tls)
    async with SandboxTrustDomain(NAME, jwt_issuer=url, jwt_key_type=key_type) as sandbox:
        cluster = await sandbox.start_cluster("east")
        # No identity, no bundles: agents serve neither to a workload without an entry.
        workload = await cluster.add_workload("issuer", Entry(f"spiffe://{NAME}/issuer"))
        async with serving(url, workload.address, tls=tls, cache_seconds=cache_seconds):
            issuer = SandboxIssuer(url, sandbox, tls=tls)
            await issuer.until(bool)
            yield issuer


@asynccontextmanager
async def serving(
    url: str, agent_address: str, *, tls: PrivateCa | None = None, cache_seconds: int = 300
) -> AsyncIterator[None]:
    """The real issuer service, which listens where `url` says."""
    files = TlsSettings(certificate=str(tls.certificate), key=str(tls.key)) if tls else None
    source = SourceSettings(name="east", workload_api=WorkloadApiSettings(address=agent_address))
    settings = ServeSettings(
        trust_domain=NAME,
        issuer=IssuerSettings(url=url, cache_seconds=cache_seconds),
        listen=ListenSettings(address=urlsplit(url).netloc, tls=files),
        health=ListenSettings(address=f"{LOOPBACK}:0"),
        sources=(source,),
    )
    async with IssuerService(settings).running():
        yield


def free_url(path: str = "", *, tls: PrivateCa | None = None) -> str:
    return f"{'https' if tls else 'http'}://{LOOPBACK}:{free_port()}{path}"


def key_id(token: str) -> str:
    return str(pyjwt.get_unverified_header(token)["kid"])
