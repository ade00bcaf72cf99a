"""Both programs as processes: found, started on a configuration, ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAME = "oidc-discovery-provider"
PATIENCE_SECONDS = 20.0

_OURS = (sys.executable, "-m", "spire_bridge", "serve", "--odp-config")


@dataclass(frozen=True)
class Ended:
    """How a program ended that did not start serving."""

    status: int
    err: str


def reference_or_skip(name: str = NAME) -> str:
    """The path of a program of SPIFFE's, from SPIRE_BIN_DIR or PATH.

    Without it the test is skipped, or fails if SPIRE_REQUIRED is 1.
    """
    folders = (os.environ.get("SPIRE_BIN_DIR"), os.environ.get("PATH"))
    found = shutil.which(name, path=os.pathsep.join(filter(None, folders)))
    if found is None:
        reason = f"{name} not found on PATH or in SPIRE_BIN_DIR"
        if os.environ.get("SPIRE_REQUIRED") == "1":
            pytest.fail(f"SPIRE_REQUIRED=1, but {reason}", pytrace=False)
        pytest.skip(reason)
    return found


def ours(config: Path) -> tuple[str, ...]:
    return (*_OURS, str(config))


def theirs(reference: str, config: Path) -> tuple[str, ...]:
    return (reference, "-config", str(config))


def start(command: Sequence[str], log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """Starts one of them; what it writes goes to `log`."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env=_environment(variables),
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def run(command: Sequence[str], **variables: str) -> Ended:
    """Runs one of them to its end."""
    ended = subprocess.run(
        command,
        env=_environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    return Ended(ended.returncode, ended.stderr)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends one of them at once: the reference waits seconds for new connections."""
    process.kill()
    process.wait()


def eventually(condition: object, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until `condition()` holds; fails with the log's end if the program ended."""
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"did not come to serve:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def _environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}
