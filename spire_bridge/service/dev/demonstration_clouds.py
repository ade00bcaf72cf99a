"""The model clouds of the first run, and how the SDKs of the real ones are pointed at them."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.rule import Verdict
from spire_bridge.errors import BridgeError
from spire_bridge.files.atomic import write_atomically
from spire_bridge.models.certificate import LoopbackCertificate
from spire_bridge.models.issuer_cache import IssuerCache
from spire_bridge.models.model_clouds import ModelAddresses, model_clouds
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.dev import cloud_accounts as accounts
from spire_bridge.service.dev.demonstration import CLUSTERS, fetch, spiffe_id
from spire_bridge.service.trust.issuer_reading import IssuerReader

_log = logging.getLogger(__name__)

_DISCOVERY_SECONDS = 5.0  # AWS' own patience
_REFRESH_SECONDS = 60.0  # tokens last five minutes, and agents renew them at half of that


@dataclass(frozen=True, slots=True)
class PrivateFolder:
    """A folder for files that SDKs read, which is gone at the end."""

    path: Path
    certificate: LoopbackCertificate

    @classmethod
    @contextmanager
    def made(cls) -> Iterator[Self]:
        with tempfile.TemporaryDirectory(prefix="spire-bridge-") as name:  # made with mode 0700
            path = Path(name)
            yield cls(path, LoopbackCertificate.create(path))


@dataclass(slots=True)
class DemonstrationClouds:
    """Model clouds that trust the web workload of the first cluster.

    `latest` is the verdict on what was presented last.
    """

    workload: Workload
    folder: PrivateFolder
    descriptions: accounts.Descriptions
    latest: Verdict | None = None
    addresses: ModelAddresses = field(init=False)
    _tells: bool = False

    @property
    def tls(self) -> ssl.SSLContext:
        """What trusts the model clouds."""
        return ssl.create_default_context(cafile=self.folder.certificate.authority)

    def observe(self, verdict: Verdict) -> None:
        """Called from the clouds' thread."""
        self.latest = verdict
        if self._tells:
            print(f"\n{explained(verdict)}", flush=True)

    def tell_verdicts(self) -> None:
        """Explains each verdict on the terminal from now on: the answer says little."""
        self._tells = True

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that SDKs go by."""
        authority = str(self.folder.certificate.authority)
        return {
            "AWS_ENDPOINT_URL_STS": self.addresses.http,
            "AWS_REGION": accounts.REGION,
            "AWS_ROLE_ARN": accounts.ROLE_ARN,
            "AWS_ROLE_SESSION_NAME": accounts.SESSION_NAME,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.token_file(accounts.AUDIENCE)),
            "GOOGLE_APPLICATION_CREDENTIALS": str(self._google_file),
            "GOOGLE_CLOUD_PROJECT": accounts.PROJECT,  # or google-auth asks Google for it
            "AZURE_AUTHORITY_HOST": self.addresses.https,
            "AZURE_TENANT_ID": accounts.TENANT,
            "AZURE_CLIENT_ID": accounts.APPLICATION,
            "AZURE_FEDERATED_TOKEN_FILE": str(self.token_file(accounts.ENTRA_AUDIENCE)),
            "REQUESTS_CA_BUNDLE": authority,
            "CURL_CA_BUNDLE": authority,
            "SSL_CERT_FILE": authority,
        }

    @property
    def environment_file(self) -> Path:
        return self.folder.path / "clouds.env"

    @property
    def _google_file(self) -> Path:
        return self.folder.path / "google.json"

    def token_file(self, audience: str) -> Path:
        name = "entra" if audience == accounts.ENTRA_AUDIENCE else audience
        return self.folder.path / f"{name}.jwt"

    def description_file(self, option: str) -> Path:
        """What is configured at a cloud, for this option of `trust evaluate`."""
        return self.folder.path / f"{option}.json"

    def write_configuration(self) -> None:
        """Writes what does not change. Raises `FileFailure`."""
        token_file = self.token_file(accounts.AUDIENCE)
        google = accounts.credential_configuration(self.addresses.http, token_file)
        write_atomically(self._google_file, json.dumps(google, indent=2).encode())
        for option, description in self.descriptions.by_option.items():
            write_atomically(self.description_file(option), description)
        lines = (f"export {name}={value}\n" for name, value in self.environment.items())
        write_atomically(self.environment_file, "".join(lines).encode())

    async def write_tokens(self) -> None:
        """Writes tokens as they are now, for SDKs to read. Raises `FileFailure`."""
        for audience in (accounts.AUDIENCE, accounts.ENTRA_AUDIENCE):
            svid = await fetch(self.workload, audience)
            write_atomically(self.token_file(audience), svid.token.encode())

    async def keep_tokens(self) -> None:
        """Keeps the tokens fresh, for ever; says by itself what goes wrong."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                await self.write_tokens()
            except BridgeError as error:
                _log.error("tokens are not renewed", extra={"reason": error.message})


@asynccontextmanager
async def running_clouds(
    issuer: str, sandbox: SandboxTrustDomain, workloads: dict[str, Workload], folder: PrivateFolder
) -> AsyncIterator[DemonstrationClouds]:
    """Model clouds that trust `issuer`, until the context is left. Raises `ListenFailure`."""
    anchors = [authority.root for authority in sandbox.x509.keys]
    descriptions = accounts.Descriptions.of(issuer, spiffe_id(CLUSTERS[0]), anchors)
    clouds = DemonstrationClouds(workloads[CLUSTERS[0]], folder, descriptions)
    reader = IssuerReader(_DISCOVERY_SECONDS, clouds.tls)

    def discover(url: str) -> IssuerDocuments:
        return reader.read_named(url).documents

    around = Surroundings(IssuerCache(discover), observe=clouds.observe)
    async with model_clouds(descriptions.trust(), around, folder.certificate) as clouds.addresses:
        clouds.write_configuration()
        keeping = asyncio.create_task(clouds.keep_tokens(), name="tokens of the model clouds")
        try:
            yield clouds
        finally:
            keeping.cancel()


def explained(verdict: Verdict) -> str:
    """A verdict in a line or a few; nothing of the token but claims."""
    failed = verdict.failed
    if failed is None:
        return f"  {verdict.verifier} (model): accepted"
    check, refusal = failed.check, verdict.refusal
    assert refusal is not None
    return (
        f"  {verdict.verifier} (model): refused with {refusal.code}\n"
        f"    {failed.name}: found {check.found}, wanted {check.wanted}\n"
        f"    fix: {check.fix}"
    )
