"""Real SPIRE, if its programs are at hand: one server, one agent, one entry for this user."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import ROOT, until

sys.path.insert(0, str(ROOT / "tests" / "support"))

from trust_domains.spire_processes import SpireAgent, SpireBinaries, SpireServer

MISSING = "spire-server and spire-agent are not on PATH"
TRUST_DOMAIN = "bench.test"
AUDIENCE = "benchmark"

_SERVED_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class RunningSpire:
    """An agent that serves this user, and the program that is its client too."""

    address: str
    client: Path


def version() -> str | None:
    binaries = SpireBinaries.locate()
    return binaries.version() if binaries else None


@contextmanager
def spire() -> Iterator[RunningSpire | None]:
    """None if SPIRE's programs are neither on PATH nor in SPIRE_BIN_DIR."""
    binaries = SpireBinaries.locate()
    if binaries is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        folder = Path(name)
        server = SpireServer(
            binaries, folder, folder, trust_domain=TRUST_DOMAIN, issuer="https://bench.test"
        )
        try:
            server.start()
            agent = SpireAgent(server, "agent")
            try:
                agent.start()
                _register(server, agent)
                running = RunningSpire(f"unix://{agent.socket}", binaries.agent)
                until(
                    lambda: _serves(running),
                    within_seconds=_SERVED_SECONDS,
                    what="SPIRE's agent serves the entry",
                )
                yield running
            finally:
                agent.stop()
        finally:
            server.stop()


def fetch_command(spire_agent: Path, address: str) -> list[str]:
    """What fetches a JWT-SVID with SPIRE's own program."""
    socket = address.removeprefix("unix://")
    fetch = ["api", "fetch", "jwt", "-audience", AUDIENCE, "-socketPath", socket]
    return [str(spire_agent), *fetch]


def _register(server: SpireServer, agent: SpireAgent) -> None:
    options = {
        "-parentID": agent.spiffe_id,
        "-spiffeID": f"spiffe://{TRUST_DOMAIN}/workload",
        "-selector": f"unix:uid:{os.getuid()}",
    }
    server.call("entry", "create", *(part for option in options.items() for part in option))


def _serves(running: RunningSpire) -> bool:
    command = fetch_command(running.client, running.address)
    return subprocess.run(command, capture_output=True).returncode == 0
