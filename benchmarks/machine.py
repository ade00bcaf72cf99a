"""What the figures were measured on, without a name of it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from benchmarks import spire
from benchmarks.issuers import PROVIDER

_LIBRARIES = ("grpcio", "protobuf", "cryptography", "httptools", "spiffe")


def description() -> str:
    """A Markdown list: machine, system, Python, libraries, SPIRE."""
    return "\n".join(f"- {line}" for line in _lines())


def _lines() -> Iterator[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield f"{os.cpu_count()} processors ({_processor()}), {memory:.0f} GiB of memory"
    yield f"{_system()}, Linux {platform.release().split('-')[0]}"
    yield f"{platform.python_implementation()} {platform.python_version()}"
    yield ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    yield f"SPIRE's server and agent: {spire.version() or 'absent'}"
    yield f"SPIRE's {PROVIDER}: {_version_of(PROVIDER, '-version') or 'absent'}"
    yield f"wrk: {'present' if shutil.which('wrk') else 'absent'}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _version_of(program: str, option: str) -> str | None:
    path = shutil.which(program)
    if path is None:
        return None
    answer = subprocess.run([path, option], capture_output=True, text=True)
    return (answer.stdout + answer.stderr).strip()
