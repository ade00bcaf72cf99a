"""The model of AWS' STS as a process of its own, beside the sandbox whose tokens it takes.

Asked for its `environment`, it answers with the variables that `credential aws` is to be run with.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from benchmarks.child import ROOT, answer_parent

sys.path.insert(0, str(ROOT / "tests" / "support"))

from aws_at_work import aws_at_work


async def main() -> None:
    logging.disable(logging.WARNING)  # that it is a development tool is no news here
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        async with aws_at_work(Path(name)) as aws:
            await answer_parent({"environment": aws.environment})


if __name__ == "__main__":
    asyncio.run(main())
