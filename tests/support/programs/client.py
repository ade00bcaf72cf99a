"""Clients of clouds as programs of their own, with nothing of this environment's accounts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from command_line import Ended, environment

_SECONDS = 45
_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_")


async def run_client(command: tuple[str, ...], home: Path, **variables: str) -> Ended:
    """Runs it to its end; `variables` are added to its environment."""
    kept = {n: v for n, v in environment().items() if not n.startswith(_CLOUDS)}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **variables},
    )
    async with asyncio.timeout(_SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
