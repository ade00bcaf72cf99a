"""Clients in Java and those that need a Python of their own; skipped where there is no way to."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from verifiers.toolchains import PEERS, run_tool


def java_command(folder: Path) -> list[str]:
    """Fetches what tests/peers/java/pom.xml names into `folder`; what runs a program with it."""
    java = shutil.which("java") or pytest.skip("java not found on PATH")
    maven = shutil.which("mvn") or pytest.skip("mvn not found on PATH")
    shutil.copy(PEERS / "java" / "pom.xml", folder)
    run_tool(
        [maven, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder}"], folder
    )
    return [java, "-cp", f"{folder}{os.sep}*"]


def python_command(folder: Path) -> Path:
    """An interpreter with what tests/peers/python/requirements.txt pins."""
    run_tool([sys.executable, "-m", "venv", str(folder)], folder)
    python = folder / "bin" / "python"
    lock = str(PEERS / "python" / "requirements.txt")
    run_tool([str(python), *["-m", "pip", "install", "-q", "--require-hashes", "-r"], lock], folder)
    return python
