"""The sandbox itself: a trust domain with its keys, clusters and federation."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge.sandbox.agent import Agent
from spire_bridge.sandbox.bundle import PublishedBundle
from spire_bridge.sandbox.cluster import Cluster, checked_name, make_private
from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.jwt_authority import JwtAuthority, KeyType
from spire_bridge.sandbox.life_cycle import DEFAULT_TTL_SECONDS, KeyState
from spire_bridge.sandbox.server_api import ServerApi, jwt_key_message
from spire_bridge.sandbox.server_certificate import ServerCertificate
from spire_bridge.sandbox.x509_authority import X509Authority, certificate_der
from spire_bridge.spiffe.id import TrustDomain

_log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
SERVER_FOLDER = "_server"  # no cluster's name can be this


class SandboxTrustDomain:
    """A trust domain in this process, for development and tests; never for production.

    An async context manager that owns every socket, task and directory below it. Sockets
    live in `directory`, or in a temporary one, in a directory of mode 0700 for each
    cluster; at the end, what the sandbox made is removed. `clock` gives seconds since the
    epoch: what is due by it happens within a second, or at once in `tick`.

    `sequence` is the bundle's number: 1 at first, and one more with each change of what is
    published, taint included. `refresh_hint_seconds` goes out with it; 0, which a real
    server tells of its own bundle, is none.
    """

    def __init__(
        self,
        name: str = "example.org",
        *,
        directory: Path | None = None,
        jwt_issuer: str | None = None,
        jwt_key_type: KeyType = KeyType.RSA_2048,
        x509_intermediate: bool = False,
        authority_ttl_seconds: int = DEFAULT_TTL_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.trust_domain = TrustDomain.parse(name)
        self.jwt = JwtAuthority(
            clock,
            key_type=jwt_key_type,
            issuer=jwt_issuer,
            ttl_seconds=authority_ttl_seconds,
            on_change=self._changed,
        )
        self.x509 = X509Authority(
            clock,
            trust_domain_id=str(self.trust_domain.id()),
            intermediate=x509_intermediate,
            ttl_seconds=authority_ttl_seconds,
            on_change=self._changed,
        )
        self.sequence = 1
        self.refresh_hint_seconds = 0
        self.clusters: dict[str, Cluster] = {}
        self._published = self.bundle
        self._server_api: ServerApi | None = None
        self._server_certificate: ServerCertificate | None = None
        self._directory = directory
        self._federated: dict[str, SandboxTrustDomain] = {}
        self._observers: list[Callable[[], None]] = [self._synchronize]
        self._resources = contextlib.AsyncExitStack()
        self._started = False

    @property
    def name(self) -> str:
        return self.trust_domain.name

    @property
    def bundle(self) -> PublishedBundle:
        """What the trust domain publishes now; an agent may lag behind it."""
        return PublishedBundle.of(self.name, self.jwt, self.x509)

    async def __aenter__(self) -> Self:
        self._directory = self._make_directory()
        ticking = asyncio.create_task(self._keep_ticking(), name=f"sandbox {self.name}")
        self._resources.push_async_callback(_cancel, ticking)
        self._started = True
        _log.warning(
            "sandbox trust domain started: a development tool that protects nothing",
            extra={"trust_domain": self.name},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._started = False
        async with self._resources:
            if self._server_api is not None:
                await self._server_api.stop()
            await asyncio.gather(*(cluster.stop() for cluster in self.clusters.values()))
            self.clusters.clear()
            self._server_api = self._server_certificate = None

    async def start_cluster(self, name: str) -> Cluster:
        """A new cluster with an agent that knows the bundles of now."""
        if not self._started or self._directory is None:
            raise SandboxError("the sandbox is not started", hint="use it as `async with`")
        if checked_name(name) in self.clusters:
            raise SandboxError(f"there is a cluster {name} already")
        directory = self._directory / name
        cluster = Cluster(name, Agent(self.jwt, self.x509, self.bundle), directory)
        self._resources.callback(shutil.rmtree, directory, ignore_errors=True)
        self.clusters[name] = cluster
        self._synchronize()
        return cluster

    @property
    def server_api(self) -> ServerApi:
        """The server's endpoint: stop and start it, or have it show a fault."""
        if self._server_api is None:
            raise SandboxError("there is no Server API", hint="call start_server_api() first")
        return self._server_api

    async def start_server_api(self) -> str:
        """Serves GetBundle on a unix socket, also once more after a stop; its address."""
        if not self._started or self._directory is None:
            raise SandboxError("the sandbox is not started", hint="use it as `async with`")
        if self._server_api is None:
            directory = self._directory / SERVER_FOLDER
            make_private(directory)
            self._resources.callback(shutil.rmtree, directory, ignore_errors=True)
            self._server_api = ServerApi(directory / "api.sock", self._server_bundle)
        await self._server_api.start()
        return self._server_api.address

    @property
    def server_certificate(self) -> ServerCertificate:
        """By what the server is known over TLS: have it be a wrong one."""
        if self._server_certificate is None:
            raise SandboxError("the server speaks no TLS", hint="call start_server_tls() first")
        return self._server_certificate

    async def start_server_tls(
        self,
        *,
        require_client_certificate: bool = False,
        max_connection_age_seconds: float | None = None,
    ) -> str:
        """Serves GetBundle over TLS on a port of this machine besides; its `tls://` address.

        The server is `spiffe://<trust domain>/spire/server`, below the active authority.
        """
        await self.start_server_api()
        certificate = ServerCertificate(self.x509, str(self.trust_domain.id()))
        await self.server_api.listen_with_tls(
            certificate.credentials(require_client_certificate=require_client_certificate),
            max_connection_age_seconds,
        )
        self._server_certificate = certificate
        return self.server_api.tls_address

    def federate(self, other: SandboxTrustDomain) -> None:
        """Follows the bundle of `other`; workloads whose entries federate with it get it."""
        if other.name == self.name:
            raise SandboxError(f"{self.name} cannot federate with itself")
        if other.name in self._federated:
            raise SandboxError(f"{self.name} federates with {other.name} already")
        self._federated[other.name] = other
        other._observers.append(self._synchronize)
        self._synchronize()

    def tick(self) -> None:
        """Does what is due by the clock: renewal of X.509-SVIDs, rotation of the keys."""
        self.jwt.tick()
        self.x509.tick()
        for cluster in self.clusters.values():
            cluster.renew()
        self._refresh_server_certificate()

    def _server_bundle(self) -> types.Bundle:
        """The bundle as the server tells it: with expiry, taint, sequence and hint."""
        jwt, x509 = self.jwt, self.x509
        return types.Bundle(
            trust_domain=self.name,
            jwt_authorities=[jwt_key_message(key, jwt.states[key.key_id]) for key in jwt.keys],
            x509_authorities=[
                types.X509Certificate(
                    asn1=certificate_der(ca.root),
                    tainted=x509.states[ca.key_id] is KeyState.TAINTED,
                )
                for ca in x509.keys
            ],
            refresh_hint=self.refresh_hint_seconds,
            sequence_number=self.sequence,
        )

    def _changed(self) -> None:
        if self.bundle != self._published:  # activating a key changes nothing in it
            self._published = self.bundle
            self.sequence += 1
        self._refresh_server_certificate()
        for observer in self._observers:
            observer()

    def _refresh_server_certificate(self) -> None:
        if self._server_certificate is not None:
            self._server_certificate.refresh()

    def _synchronize(self) -> None:
        bundle = self.bundle
        federated = {name: other.bundle for name, other in self._federated.items()}
        for cluster in self.clusters.values():
            cluster.synchronize(bundle, federated)

    async def _keep_ticking(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick()

    def _make_directory(self) -> Path:
        directory = self._directory
        if directory is None:
            directory = Path(tempfile.mkdtemp(prefix="sb-"))  # made with mode 0700
        elif directory.exists():
            return directory
        else:
            directory.mkdir(mode=0o700, parents=True)
        self._resources.callback(shutil.rmtree, directory, ignore_errors=True)
        return directory


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
