"""Publishers over every kind of source, at one target: nobody undoes what another has heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from issuer_at_work import one_issuer
from trust_domains.under_test import TrustDomainUnderTest, eventually

from spire_bridge.publish.directory import DirectoryTarget
from spire_bridge.service.publishing.service import Publisher
from spire_bridge.service.publishing.targets import NamedTarget

pytestmark = pytest.mark.timeout(120)


async def test_a_key_that_has_come_stays_and_one_that_has_gone_does_not_return(
    trust_domain: TrustDomainUnderTest, tmp_path: Path
) -> None:
    agents = {}
    for name in ("east", "west"):
        agent = await trust_domain.agent(name)
        await agent.register("/web")
        agents[name] = {"name": name, "workload_api": {"address": agent.address}}
    server = {"address": trust_domain.server_address, "interval_seconds": 0.5}

    async with AsyncExitStack() as stack:
        seen = await stack.enter_async_context(reading(tmp_path))

        async def start(source: dict[str, Any]) -> Publisher:
            settings = one_issuer(trust_domain=trust_domain.name, sources=[source])
            (url,) = settings.issuer.issuer_urls()
            target = NamedTarget("files", url, DirectoryTarget(tmp_path))
            publisher = Publisher(settings, [target])
            await stack.enter_async_context(publisher.running())
            return publisher

        publishers = [
            await start(agents["east"]),
            await start({"name": "server", "server_api": server}),
        ]
        await until_current(publishers)
        new = await trust_domain.prepare_jwt()
        await eventually(lambda: some(new in seen[-1]))
        publishers.append(await start(agents["west"]))  # whose agent may not have heard of it
        await until_current(publishers)
        old = await trust_domain.activate_jwt(new)
        await trust_domain.taint_jwt(old)
        await trust_domain.revoke_jwt(old)
        await eventually(lambda: some(old not in seen[-1]))
        await until_current(publishers)

    came = next(number for number, keys in enumerate(seen) if new in keys)
    assert all(new in keys for keys in seen[came:])
    went = next(number for number, keys in enumerate(seen) if new in keys and old not in keys)
    assert all(old not in keys for keys in seen[went:])


@asynccontextmanager
async def reading(site: Path) -> AsyncIterator[list[set[str]]]:
    """Each key set that a reader sees, in their order."""
    seen: list[set[str]] = [set()]

    async def read() -> None:
        while True:
            if (site / "keys").exists():
                keys = {key["kid"] for key in json.loads((site / "keys").read_bytes())["keys"]}
                if keys != seen[-1]:
                    seen.append(keys)
            await asyncio.sleep(0.005)

    task = asyncio.create_task(read())
    try:
        yield seen
    finally:
        task.cancel()


async def until_current(publishers: list[Publisher]) -> None:
    """Returns once each has published the newest that it has heard, which all have heard."""

    async def are_current() -> bool | None:
        states = [target.state for publisher in publishers for target in publisher.targets]
        etags = {
            publisher.edition.documents[0][1].jwks.etag if publisher.edition is not None else None
            for publisher in publishers
        }
        current = all(state.error is None and state.behind_since is None for state in states)
        return True if current and len(etags) == 1 and None not in etags else None

    await eventually(are_current, within_seconds=45)


async def some(value: bool) -> bool | None:
    return value or None
