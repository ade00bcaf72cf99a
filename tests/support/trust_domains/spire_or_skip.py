"""A running SPIRE server for those who have SPIRE; a skipped test for those who have not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trust_domains.spire_processes import SpireBinaries, SpireServer


def spire_binaries() -> SpireBinaries:
    """Without them the test is skipped, or fails if SPIRE_REQUIRED is 1."""
    binaries = SpireBinaries.locate()
    if binaries is None:
        reason = "spire-server and spire-agent not found on PATH or in SPIRE_BIN_DIR"
        if os.environ.get("SPIRE_REQUIRED") == "1":
            pytest.fail(f"SPIRE_REQUIRED=1, but {reason}", pytrace=False)
        pytest.skip(reason)
    return binaries


@contextmanager
def running_spire(trust_domain: str, issuer: str, logs: Path) -> Iterator[SpireServer]:
    """A server whose JWT-SVIDs name `issuer`; its logs and its agents' go to `logs`.

    Without SPIRE's programs the test is skipped, or fails if SPIRE_REQUIRED is 1.
    """
    binaries = spire_binaries()
    # Not pytest's folder: the path of a unix socket must stay below 100 bytes.
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        server = SpireServer(binaries, Path(folder), logs, trust_domain=trust_domain, issuer=issuer)
        try:
            server.start()
            yield server
        finally:
            server.stop()
