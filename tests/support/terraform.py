"""Terraform or OpenTofu, which judge HCL 2 and its layout."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("terraform") or shutil.which("tofu")


def call(*arguments: str, folder: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Runs it without network, and without the user's own configuration of it."""
    assert PROGRAM is not None
    environment = os.environ | {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=50,
    )


def formatted(text: str, folder: Path) -> str:
    """`terraform fmt` of a file, which it must be able to read."""
    ended = call("fmt", "-no-color", "-", folder=folder, given=text)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def value_of(expression: str, folder: Path) -> Any:
    """What an expression comes to that needs no provider."""
    local = "\n".join(f"  {line}" for line in expression.split("\n")).strip()
    (folder / "value.tf").write_text(f"locals {{\n  value = {local}\n}}\n")
    asked = "base64encode(jsonencode(local.value))"
    ended = call("console", folder=folder, given=asked)
    assert ended.returncode == 0, ended.stderr
    return json.loads(base64.b64decode(json.loads(ended.stdout)))
