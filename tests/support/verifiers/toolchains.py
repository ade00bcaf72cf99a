"""Verifiers of Go and Node, fetched as their lock files say; skipped where there is no way to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PEERS = Path(__file__).parents[2] / "peers"
BUILD_SECONDS = 540.0  # Kubernetes' library is a minute's work for two cores, once
NODE_MAJOR = 20

_OFFLINE = re.compile(
    r"dial tcp|no such host|i/o timeout|connection refused|TLS handshake timeout"
    r"|Unknown host|NewConnectionError"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH"
)
_TOO_OLD = re.compile(r"requires go >= .*")


def go_program(name: str, folder: Path) -> Path:
    """Builds tests/peers/go/<name> into `folder`."""
    go = shutil.which("go") or pytest.skip("go not found on PATH")
    program = folder / name
    run_tool(
        [go, "build", "-buildvcs=false", "-o", str(program), f"./{name}"],
        PEERS / "go",
        GOTOOLCHAIN="local",
        GOWORK="off",
    )
    return program


def node_program(name: str, folder: Path) -> list[str | Path]:
    """Installs the packages of tests/peers/js into `folder`; the command that runs a script."""
    node = shutil.which("node") or pytest.skip("node not found on PATH")
    npm = shutil.which("npm") or pytest.skip("npm not found on PATH")
    major = subprocess.check_output([node, "-p", "parseInt(process.versions.node)"], text=True)
    if int(major) < NODE_MAJOR:
        pytest.skip(f"node is older than {NODE_MAJOR}")
    for file in ("package.json", "package-lock.json", name):
        shutil.copy(PEERS / "js" / file, folder)
    run_tool([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    return [node, folder / name]


def run_tool(command: list[str], folder: Path, **variables: str) -> None:
    """Runs it, or skips the test if it lacks a network."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    if ended.returncode == 0:
        return
    said = ended.stdout + ended.stderr
    tool = Path(command[0]).name
    if too_old := _TOO_OLD.search(said):
        pytest.skip(f"go is too old: {too_old[0]}")
    if _OFFLINE.search(said):
        pytest.skip(f"{tool} could not fetch packages: no network")
    pytest.fail(f"{tool} failed:\n{said[-2000:]}", pytrace=False)
