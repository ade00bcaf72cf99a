"""`spire-bridge dev` while it serves, at a port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from command_line import PATIENCE_SECONDS, PROGRAM, environment


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
