"""A program's own client, run as a process that knows nothing of this environment's clouds."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from command_line import ROOT, Ended, environment

SCRIPTS = ROOT / "tests" / "peers" / "programs"
PATIENCE_SECONDS = 45


def script(name: str, *arguments: str | int, python: Path = Path(sys.executable)) -> list[str]:
    """The command line of one of tests/peers/programs."""
    return [str(python), "-W", "ignore", str(SCRIPTS / name), *map(str, arguments)]


async def run_client(
    command: list[str], folder: Path, *, given: bytes = b"", **variables: str
) -> Ended:
    """Runs it in `folder`, which is its home."""
    kept = {
        n: v for n, v in environment().items() if not n.startswith(("AWS_", "AZURE_", "GOOGLE_"))
    }
    home = {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**kept, **home, **variables},
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate(given)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
