"""The walk: from an agent's socket to verifiers that believe, step by step."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from spire_bridge import __version__
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.dev.cloud_walk import CloudWalk
from spire_bridge.service.dev.demonstration import AUDIENCE, CLUSTERS, TRUST_DOMAIN, fetch
from spire_bridge.service.dev.demonstration_clouds import DemonstrationClouds
from spire_bridge.service.dev.errors import WalkThroughFailed
from spire_bridge.service.dev.relying_party import RelyingParty
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid

_LOOK_SECONDS = 0.005
_MAX_LOOKS = 1000


@dataclass(frozen=True, slots=True)
class WalkThrough:
    """What it prints is what it sees; `run` raises `WalkThroughFailed` for anything else."""

    sandbox: SandboxTrustDomain
    workloads: dict[str, Workload]
    url: str
    relying_party: RelyingParty
    clouds: DemonstrationClouds | None = None
    surprises: list[str] = field(default_factory=list)

    async def run(self) -> None:
        print(f"spire-bridge {__version__}: from an agent's socket to a verifier that believes\n")
        self._say(
            "trust domain", f"{TRUST_DOMAIN}, embedded, with the clusters {' and '.join(CLUSTERS)}"
        )
        self._say("issuer", self.url)
        await self._until_served(self._signing_key_id())
        tokens = await self._fetch_from_each_cluster()
        print()
        for cluster, token in tokens.items():
            verdict = await self.relying_party.verify(self.url, token.token, AUDIENCE)
            self._say("verify", f"{cluster}: {verdict}", verdict.accepted)
        other = await self.relying_party.verify(self.url, tokens["east"].token, "someone-else")
        self._say("", f"east, shown to another audience: {other}", not other.accepted)
        print()
        await self._rotate(tokens["east"])
        if self.clouds is not None:
            print()
            await CloudWalk(self.clouds, self._say).run()
        if self.surprises:
            raise WalkThroughFailed(f"not as it should be: {'; '.join(self.surprises)}")

    def _signing_key_id(self) -> str:
        key = self.sandbox.jwt.current
        if key is None:
            raise WalkThroughFailed("the sandbox has no key to sign with")
        return key.key_id

    async def _fetch_from_each_cluster(self) -> dict[str, UnverifiedJwtSvid]:
        tokens = {name: await fetch(workload) for name, workload in self.workloads.items()}
        for cluster, token in tokens.items():
            self._say("fetch", f"{cluster}: {token.spiffe_id}, key {_short(token.key_id)}")
        same = len({(token.issuer, token.key_id) for token in tokens.values()}) == 1
        self._say("", "both tokens name the same issuer and the same key", same)
        return tokens

    async def _rotate(self, old: UnverifiedJwtSvid) -> None:
        authority = self.sandbox.jwt
        key_id = authority.prepare()
        milliseconds = await self._until_served(key_id)
        self._say("rotate", f"key {_short(key_id)} prepared, served {milliseconds:.0f} ms later")
        authority.activate()
        if old.key_id is not None:
            authority.taint(old.key_id)
        new = await fetch(self.workloads["east"])
        for name, token in (("before", old), ("after", new)):
            verdict = await self.relying_party.verify(self.url, token.token, AUDIENCE)
            key = _short(token.key_id)
            self._say("", f"token {name} the rotation, key {key}: {verdict}", verdict.accepted)
        if old.key_id is not None:
            authority.revoke(old.key_id)
            await self._until_served(old.key_id, served=False)
        verdict = await self.relying_party.verify(self.url, old.token, AUDIENCE)
        self._say("revoke", f"token before, its key now revoked: {verdict}", not verdict.accepted)

    async def _until_served(self, key_id: str | None, *, served: bool = True) -> float:
        """Milliseconds until the key is in the served JWK set, or out of it."""
        started = time.perf_counter()
        for _ in range(_MAX_LOOKS):
            if (key_id in await self.relying_party.key_ids(self.url)) is served:
                return (time.perf_counter() - started) * 1000
            await asyncio.sleep(_LOOK_SECONDS)
        raise WalkThroughFailed("the issuer did not show the change of keys in time")

    def _say(self, step: str, text: str, as_expected: bool | None = None) -> None:
        mark = {None: "", True: "  ✓", False: "  ✗ UNEXPECTED"}[as_expected]
        print(f"  {step:<13} {text}{mark}", flush=True)
        if as_expected is False:
            self.surprises.append(text)


def _short(key_id: str | None) -> str:
    return key_id[:8] if key_id else "none"
