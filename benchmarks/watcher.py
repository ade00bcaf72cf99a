"""A process that watches many JWT bundles, by our sources or by bare gRPC streams.

`python -m benchmarks.watcher bridge|bare`; asked to `watch` addresses, it answers when each
stream has brought its first bundle.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.child import answer_parent

_HEADER = (("workload.spiffe.io", "true"),)

Follow = Callable[[str, Callable[[], None]], Any]


def bridge() -> Follow:
    """Each address a source, each source a store of its own: a bundle watched."""
    from spire_bridge.bundles.store import BundleStore
    from spire_bridge.spiffe.id import TrustDomain
    from spire_bridge.workload.agent_source import AgentSource

    trust_domain = TrustDomain.parse("example.org")

    async def follow(address: str, on_message: Callable[[], None]) -> None:
        store = BundleStore(trust_domain, on_change=lambda _: on_message())
        await store.follow(AgentSource("agent", address, trust_domain))

    return follow


def bare() -> Follow:
    """Each address a channel and a stream whose messages are read and dropped."""
    import grpc.aio

    from spire_bridge._proto import workload_pb2 as pb
    from spire_bridge._proto.workload_pb2_grpc import SpiffeWorkloadAPIStub

    # Without an own pool, channels to one address would share one connection.
    options = (("grpc.use_local_subchannel_pool", 1),)

    async def follow(address: str, on_message: Callable[[], None]) -> None:
        target = f"unix:{address.removeprefix('unix://')}"
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            stub = SpiffeWorkloadAPIStub(channel)
            async for _ in stub.FetchJWTBundles(pb.JWTBundlesRequest(), metadata=_HEADER):
                on_message()

    return follow


class Watcher:
    def __init__(self, follow: Follow) -> None:
        self._follow = follow
        self._tasks: list[asyncio.Task[None]] = []
        self._awaited = 0
        self._complete = asyncio.Event()

    async def watch(self, addresses: Sequence[str]) -> None:
        self._awaited = len(addresses)
        for address in addresses:
            self._tasks.append(asyncio.create_task(self._follow(address, self._count_down)))
        await self._complete.wait()
        gc.collect()

    def cost(self) -> dict[str, float]:
        """Processor seconds so far; megabytes that are resident, and its own among them."""
        return {
            "cpu": time.process_time(),
            "resident": memory_mb("VmRSS"),
            "own": memory_mb("RssAnon"),
        }

    def _count_down(self) -> None:
        self._awaited -= 1
        if self._awaited == 0:
            self._complete.set()


def memory_mb(name: str, pid: int | str = "self") -> float:
    """A process's memory in MB (of 1,000,000 bytes), by one of the kernel's figures.

    VmRSS is all that is resident, the mapped files of libraries included, which processes
    share; RssAnon is what the process has written, and no other process shares.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"the kernel does not tell {name}")


async def main(kind: str) -> None:
    watcher = Watcher({"bridge": bridge, "bare": bare}[kind]())
    await answer_parent({"watch": watcher.watch, "cost": watcher.cost})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
