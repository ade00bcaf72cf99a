"""The model of AWS beside a sandbox whose issuer it trusts, and commands that ask both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from command_line import Ended, run

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.rule import Verdict
from spire_bridge.models.certificate import LoopbackCertificate
from spire_bridge.models.issuer_cache import IssuerCache
from spire_bridge.models.model_clouds import ModelAddresses, model_clouds
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.jwt_authority import KeyType
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.dev.cloud_accounts import (
    ANCHOR_ARN,
    AUDIENCE,
    PROFILE_ARN,
    ROLE_ARN,
    Descriptions,
)

ISSUER = "https://issuer.example.org"
SUBJECT = "spiffe://example.org/web"
OTHER = "spiffe://example.org/other"


@dataclass
class AwsAtWork:
    """`verdicts` are what the model said: one for each call that reached it."""

    workload: Workload
    addresses: ModelAddresses
    ca: Path
    folder: Path
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def environment(self, **changes: str) -> dict[str, str]:
        """Of a workload that knows the role and asks the models."""
        return {
            "SPIFFE_ENDPOINT_SOCKET": self.workload.address,
            "XDG_CACHE_HOME": str(self.cache),
            "AWS_ENDPOINT_URL_STS": self.addresses.http,
            "AWS_ENDPOINT_URL_ROLESANYWHERE": self.addresses.http,
            "AWS_ROLE_ARN": ROLE_ARN,
            **changes,
        }

    async def aws(self, *arguments: str, **changes: str) -> Ended:
        """`credential aws` for the audience that the model knows."""
        words = ("credential", "aws", "--audience", AUDIENCE, *arguments)
        return await run(*words, **self.environment(**changes))

    async def roles_anywhere(self, *arguments: str, **changes: str) -> Ended:
        words = ("credential", "roles-anywhere", *ROLES_ANYWHERE, *arguments)
        return await run(*words, **self.environment(**changes))

    async def token(self, audience: str) -> str:
        """A JWT-SVID of SUBJECT."""
        where = {"SPIFFE_ENDPOINT_SOCKET": self.workload.address}
        words = ("fetch", "jwt", "--audience", audience, "--spiffe-id", SUBJECT)
        return (await run(*words, **where)).out.strip()

    def secrets_on_disk(self) -> list[str]:
        """What is kept, for a search."""
        return [file.read_text() for file in self.cache.rglob("*.json")]


ROLES_ANYWHERE = ("--trust-anchor-arn", ANCHOR_ARN, "--profile-arn", PROFILE_ARN)


@asynccontextmanager
async def aws_at_work(folder: Path) -> AsyncIterator[AwsAtWork]:
    """The workload has the identities SUBJECT and, with the hint `other`, OTHER."""
    sandbox = SandboxTrustDomain("example.org", jwt_issuer=ISSUER, jwt_key_type=KeyType.RSA_2048)
    async with sandbox:
        cluster = await sandbox.start_cluster("east")
        workload = await cluster.add_workload(
            "workload", Entry(SUBJECT), Entry(OTHER, hint="other")
        )

        def read(_: str) -> IssuerDocuments:
            keys = [{**key.public_jwk, "use": "sig"} for key in sandbox.jwt.keys]
            discovery = json.dumps({"issuer": ISSUER}).encode()
            return IssuerDocuments.read(discovery, json.dumps({"keys": keys}).encode())

        anchors = [key.root for key in sandbox.x509.keys]
        trust = Descriptions.of(ISSUER, SUBJECT, anchors).trust()
        verdicts: list[Verdict] = []
        around = Surroundings(IssuerCache(read), observe=verdicts.append)
        certificate = LoopbackCertificate.create(await asyncio.to_thread(made, folder / "tls"))
        async with model_clouds(trust, around, certificate) as addresses:
            yield AwsAtWork(workload, addresses, certificate.authority, folder, verdicts)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def secrets_of(printed: Any) -> tuple[str, ...]:
    """What of printed credentials nobody else may see."""
    return printed["SecretAccessKey"], printed["SessionToken"]
