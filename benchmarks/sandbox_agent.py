"""The sandbox as a process of its own, so that its work is not counted as the client's.

Asked for `addresses`, it serves that many unix sockets; `rotate` replaces the JWT key and
`send` has every open stream get its bundle again, changed; `reissue` has them get another
X.509-SVID.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

from benchmarks.child import answer_parent
from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

TRUST_DOMAIN = "example.org"
SPIFFE_ID = f"spiffe://{TRUST_DOMAIN}/workload"


class SandboxAgent:
    """What the benchmarks ask of the sandbox."""

    def __init__(self, sandbox: SandboxTrustDomain, cluster: Cluster) -> None:
        self._sandbox = sandbox
        self._cluster = cluster
        self._workloads: list[Workload] = []

    async def addresses(self, count: int) -> list[str]:
        while len(self._workloads) < count:
            name = f"w{len(self._workloads)}"
            self._workloads.append(await self._cluster.add_workload(name, Entry(SPIFFE_ID)))
        return [workload.address for workload in self._workloads[:count]]

    def rotate(self) -> dict[str, Any]:
        """Publishes another key: its ID, and when the streams were told, on the system's clock."""
        key_id = self._sandbox.jwt.prepare()
        return {"key_id": key_id, "at": time.monotonic()}

    def retire(self) -> None:
        """Leaves the newest key alone in the bundle."""
        jwt = self._sandbox.jwt
        former = jwt.current
        jwt.activate()
        if former is not None:
            jwt.revoke(former.key_id)

    def reissue(self) -> dict[str, Any]:
        """Has every stream get another X.509-SVID: when it was sent, on the system's clock."""
        for workload in self._workloads:
            self._cluster.agent.forget(workload.entries)
            workload.changes.notify()
        return {"at": time.monotonic()}

    def send(self) -> None:
        keys = json.loads(self._sandbox.bundle.jwks)["keys"]
        for workload in self._workloads:
            # The second text differs only in spaces: the same keys, yet another message.
            spaced = workload.jwks is None or b": " not in workload.jwks
            separators = (", ", ": ") if spaced else (",", ":")
            workload.jwks = json.dumps({"keys": keys}, separators=separators).encode()


async def main() -> None:
    logging.disable(logging.WARNING)  # that it is a development tool is no news here
    async with SandboxTrustDomain(TRUST_DOMAIN) as sandbox:
        agent = SandboxAgent(sandbox, await sandbox.start_cluster("east"))
        await answer_parent(
            {
                "addresses": agent.addresses,
                "rotate": agent.rotate,
                "retire": agent.retire,
                "reissue": agent.reissue,
                "send": agent.send,
            }
        )


if __name__ == "__main__":
    asyncio.run(main())
