"""The first run: an embedded trust domain, its issuer, and a walk through both."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from spire_bridge import __version__
from spire_bridge.errors import BridgeError
from spire_bridge.listen.address import ListenAddress, ListenFailure, free_address
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.service.issuer import Addresses, IssuerService
from spire_bridge.service.issuer_settings import IssuerSettings
from spire_bridge.service.listen_settings import ListenSettings
from spire_bridge.service.relying_party import RelyingParty
from spire_bridge.service.serve import stop_signals
from spire_bridge.service.settings import ServeSettings
from spire_bridge.service.source_settings import SourceSettings, WorkloadApiSettings
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.telemetry.logs import configure_logging
from spire_bridge.workload.client import WorkloadClient

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8080
TRUST_DOMAIN = "example.org"
CLUSTERS = ("east", "west")
AUDIENCE = "demo"

_LOOK_SECONDS = 0.005
_MAX_LOOKS = 1000


class WalkThroughFailed(BridgeError):
    """The walk-through did not see what it should have."""

    code = "WALK_THROUGH_FAILED"


async def develop(*, once: bool, port: int | None) -> None:
    """Runs the walk-through, then serves until SIGINT or SIGTERM unless `once`."""
    configure_logging("text", "error")
    relying_party = RelyingParty.load()
    listen = _choose_address(port)
    health = free_address(ListenAddress(LOOPBACK, 0))
    url = f"http://{listen}"
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        sandbox = await stack.enter_async_context(SandboxTrustDomain(TRUST_DOMAIN, jwt_issuer=url))
        workloads = {name: await _start_cluster(sandbox, name) for name in CLUSTERS}
        issuer = IssuerService(_settings(url, listen, health, workloads))
        addresses = await stack.enter_async_context(issuer.running())
        walk = _WalkThrough(sandbox, workloads, url, addresses, relying_party)
        walking = asyncio.create_task(walk.run())
        stopping = asyncio.create_task(stop.wait())
        stack.callback(stopping.cancel)
        await asyncio.wait({walking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not walking.done():
            walking.cancel()
            return
        walking.result()
        if not once:
            walk.print_next_steps()
            await stop.wait()


@dataclass(frozen=True, slots=True)
class _WalkThrough:
    sandbox: SandboxTrustDomain
    workloads: dict[str, Workload]
    url: str
    addresses: Addresses
    relying_party: RelyingParty
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
        if self.surprises:
            raise WalkThroughFailed(f"not as it should be: {'; '.join(self.surprises)}")

    def _signing_key_id(self) -> str:
        key = self.sandbox.jwt.current
        if key is None:
            raise WalkThroughFailed("the sandbox has no key to sign with")
        return key.key_id

    async def _fetch_from_each_cluster(self) -> dict[str, UnverifiedJwtSvid]:
        tokens = {name: await _fetch(workload) for name, workload in self.workloads.items()}
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
        new = await _fetch(self.workloads["east"])
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

    def print_next_steps(self) -> None:
        program = _program()
        first, *others = self.workloads.values()
        print("\nServing until Ctrl-C. In another terminal:\n")
        print(f"  export SPIFFE_ENDPOINT_SOCKET={first.address}")
        for workload in others:
            print(f"  # or, as a workload of the other cluster, {workload.address}")
        print(
            f"""  {program} fetch jwt --audience {AUDIENCE} > token.jwt
  {program} validate --audience {AUDIENCE} --token token.jwt
  {program} fetch x509
  curl {self.url}/.well-known/openid-configuration
  curl {self.url}/keys
  curl http://{self.addresses.health}/readyz""",
            flush=True,
        )


def _program() -> str:
    """How this command can be typed again: by its name, or by its path if it is not on PATH."""
    if shutil.which("spire-bridge"):
        return "spire-bridge"
    started_as = Path(sys.argv[0])
    return str(started_as) if started_as.name == "spire-bridge" else "python -m spire_bridge"


async def _start_cluster(sandbox: SandboxTrustDomain, name: str) -> Workload:
    cluster: Cluster = await sandbox.start_cluster(name)
    return await cluster.add_workload("web", Entry(f"spiffe://{TRUST_DOMAIN}/{name}/web"))


def _settings(
    url: str, listen: ListenAddress, health: ListenAddress, workloads: dict[str, Workload]
) -> ServeSettings:
    return ServeSettings(
        trust_domain=TRUST_DOMAIN,
        issuer=IssuerSettings(url=url),
        listen=ListenSettings(address=str(listen)),
        health=ListenSettings(address=str(health)),
        sources=tuple(
            SourceSettings(name=name, workload_api=WorkloadApiSettings(address=workload.address))
            for name, workload in workloads.items()
        ),
    )


def _choose_address(port: int | None) -> ListenAddress:
    if port is not None:
        return free_address(ListenAddress(LOOPBACK, port))
    try:
        return free_address(ListenAddress(LOOPBACK, DEFAULT_PORT))
    except ListenFailure:
        return free_address(ListenAddress(LOOPBACK, 0))


async def _fetch(workload: Workload) -> UnverifiedJwtSvid:
    async with WorkloadClient(workload.address) as client:
        return (await client.fetch_jwt_svids([AUDIENCE]))[0]


def _short(key_id: str | None) -> str:
    return key_id[:8] if key_id else "none"
