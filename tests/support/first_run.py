"""`spire-bridge dev` while it serves, at a port of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from command_line import PATIENCE_SECONDS, PROGRAM, environment, run


@asynccontextmanager
async def developing(*arguments: str) -> AsyncIterator[str]:
    """Runs it until the context is left; yields what it has printed when it begins to serve."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("dev", "--port", "0", *arguments),
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            shown = await process.stdout.readuntil(b"/readyz\n")
        yield shown.decode()
    finally:
        process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.communicate()


@dataclass(frozen=True, slots=True)
class Clouds:
    """The first run: an agent, and model clouds that trust its workload."""

    agent: str
    variables: Mapping[str, str]

    async def key_set(self) -> Any:
        """The trust domain's keys."""
        ended = await run("fetch", "bundles", "--output", "json", SPIFFE_ENDPOINT_SOCKET=self.agent)
        (bundle,) = ended.json().values()
        return bundle["jwt_keys"]


@asynccontextmanager
async def developing_with_clouds() -> AsyncIterator[Clouds]:
    async with developing("--clouds") as shown:
        variables = dict(re.findall(r"(?m)^  #   (\w+)=(.+)$", shown))
        agent = re.search(r"SPIFFE_ENDPOINT_SOCKET=(\S+)", shown)
        assert agent
        yield Clouds(agent[1], variables)
