"""A cluster: one agent, and the endpoints at which it serves its workloads."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path

from spire_bridge.sandbox.agent import Agent
from spire_bridge.sandbox.bundle import PublishedBundle
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.errors import SandboxError
from spire_bridge.sandbox.listener import Listener
from spire_bridge.sandbox.workload import Workload
from spire_bridge.sandbox.workload_api import WorkloadApi

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


class Cluster:
    """One agent of the trust domain; made by `SandboxTrustDomain.start_cluster`."""

    def __init__(self, name: str, agent: Agent, directory: Path) -> None:
        self.name = checked_name(name)
        self.agent = agent
        self.directory = directory
        self.workloads: dict[str, Workload] = {}
        self._listeners: list[Listener] = []
        self._running = True
        self._holding = False
        self._latest = (agent.bundle, agent.federated)
        make_private(directory)

    async def add_workload(self, name: str, *entries: Entry, listen: str | None = None) -> Workload:
        """Serves a workload that has these identities, of which there may be none yet.

        Its address is a unix socket in the cluster's directory, or `listen`: a
        `tcp://127.0.0.1:port` or `tcp://[::1]:port`, where port 0 means any free one.
        """
        if checked_name(name) in self.workloads:
            raise SandboxError(f"cluster {self.name} already has a workload {name}")
        address = f"unix://{self.directory / name}.sock" if listen is None else listen
        workload = Workload(name, self.agent, address)
        for entry in entries:
            workload.register(entry)
        listener = Listener(workload.address, WorkloadApi(workload).handler())
        if self._running:
            await listener.start()
            workload.address = listener.address
        self.workloads[name] = workload
        self._listeners.append(listener)
        return workload

    def synchronize(
        self, bundle: PublishedBundle, federated: Mapping[str, PublishedBundle]
    ) -> None:
        """Hands the agent what the trust domain publishes now, unless it is held back."""
        self._latest = (bundle, federated)
        if not self._holding:
            self.agent.synchronize(bundle, federated)
            self._notify()

    def hold_bundles(self) -> None:
        """The agent hears of no change of keys until `release_bundles`: it lags behind.

        What it has signed meanwhile is signed by the keys that are active by then.
        """
        self._holding = True

    def release_bundles(self) -> None:
        """The agent catches up."""
        self._holding = False
        self.synchronize(*self._latest)

    def renew(self) -> None:
        """Replaces the X.509-SVIDs that are past half of their life."""
        if self.agent.renew():
            self._notify()

    async def stop(self) -> None:
        """The agent goes away, in mid-stream: Unavailable for open calls, no socket after."""
        self._running = False
        for workload in self.workloads.values():
            workload.stopping = True
        self._notify()
        await asyncio.gather(*(listener.stop() for listener in self._listeners))

    async def start(self) -> None:
        """The agent is back, at the same addresses."""
        if self._running:
            return
        for workload in self.workloads.values():
            workload.stopping = False
        await asyncio.gather(*(listener.start() for listener in self._listeners))
        self._running = True

    def _notify(self) -> None:
        for workload in self.workloads.values():
            workload.changes.notify()


def make_private(directory: Path) -> None:
    """Makes the directory, or takes over our own one that an earlier run left behind."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid != os.getuid():
        raise SandboxError(f"{directory} belongs to someone else")
    directory.chmod(0o700)


def checked_name(name: str) -> str:
    """`name`, if it can stand in a path."""
    if not _NAME.fullmatch(name):
        raise SandboxError(f"{name!r} cannot be a name: a-z, 0-9, '.', '-' and '_' can be in it")
    return name
