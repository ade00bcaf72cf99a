"""docs/vm.md does what it says: its commands, in their order, with real SPIRE and SeaweedFS."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from child_process import free_port
from trust_domains.spire_or_skip import spire_binaries

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "vm.md").read_text()
SUPPORT = ROOT / "tests" / "support"
PATIENCE_SECONDS = 90.0
PORTS = ("8081", "8181", "8183", "8333", "8443", "8888", "9333", "9340")

pytestmark = pytest.mark.timeout(120)


def commands() -> str:
    """All of them as one script, which ends at the first that fails."""
    blocks = re.findall(r"```sh\n(.*?)```", DOC, re.DOTALL)
    return "\n".join(["set -euo pipefail", *blocks])


def elsewhere(script: str) -> tuple[str, list[int]]:
    """The script with free ports, and those of SeaweedFS' gRPC, which it derives else."""
    for port in PORTS:
        assert re.search(rf"\b{port}\b", script), port
        script = re.sub(rf"\b{port}\b", str(free_port()), script)
    grpc: list[int] = []

    def with_grpc(found: re.Match[str]) -> str:
        grpc.append(free_port())
        return f"{found[0]} -{found[1]}.port.grpc={grpc[-1]}"

    return re.sub(r"-(master|volume|filer|s3)\.port=\d+", with_grpc, script), grpc


def program(name: str) -> Path:
    found = shutil.which(name, path=f"{sysconfig.get_path('scripts')}{os.pathsep}{os.defpath}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return Path(found)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with the programs that the doc has installed."""
    spire = spire_binaries()
    # Not pytest's folder: the path of a unix socket must stay below 100 bytes.
    with tempfile.TemporaryDirectory(prefix="sb-", ignore_cleanup_errors=True) as folder:
        programs = Path(folder) / "bin"
        programs.mkdir()
        (programs / "spire-server").symlink_to(spire.server)
        (programs / "spire-agent").symlink_to(spire.agent)
        for name in ("bash", "curl", "openssl", "weed"):
            (programs / name).symlink_to(program(name))
        write_program(programs / "spire-bridge", "-m", "spire_bridge")
        aws = shutil.which("aws")
        if aws is not None:
            (programs / "aws").symlink_to(aws)
        else:
            write_program(programs / "aws", str(SUPPORT / "aws_command.py"))
        yield Path(folder)


def write_program(path: Path, *arguments: str) -> None:
    python = shlex.join([sys.executable, *arguments])
    path.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {python} "$@"\n')
    path.chmod(0o755)


def run(script: str, home: Path) -> tuple[int, str]:
    """The exit status, and all that was printed; what runs in the background is ended."""
    environment = {"HOME": str(home), "PATH": f"{home}/bin{os.pathsep}{os.defpath}"}
    printed = home / "printed"
    with printed.open("wb") as output:
        process = subprocess.Popen(
            [home / "bin" / "bash", "-c", script],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            status = process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            status = -signal.SIGKILL
        end_group(process)
    return status, printed.read_text(errors="replace")


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Asks the whole group to end, and makes it end."""
    deadline = time.monotonic() + 5.0
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_from_a_bare_machine_to_a_bucket_without_a_key(home: Path) -> None:
    script, grpc = elsewhere(commands())
    try:
        status, printed = run(script, home)
    finally:
        for port in grpc:
            for name in ("master", "volume", "filer", "s3"):
                Path(f"/tmp/seaweedfs-{name}-grpc-{port}.sock").unlink(missing_ok=True)
    assert status == 0, "\n".join(printed.splitlines()[-20:])
    # By both profiles, and again once the agent has joined by its certificate.
    assert len(re.findall(r"(?m) 6 greeting$", printed)) == 4
    assert re.search(r"AccessDenied\) when calling the ListObjectsV2", printed)
    assert "error[AWS_ACCESS_DENIED]" in printed
    assert {"join_token", "x509pop"} == set(re.findall(r"Attestation type +: (\w+)", printed))
