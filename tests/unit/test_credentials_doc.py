"""docs/credentials.md: each command is one, each file is there, each row says how it was tried."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from spire_bridge.cli.credential import _COMMANDS
from spire_bridge.cli.main import build_parser

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "credentials.md"

ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| program")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_leads_somewhere(row: list[str]) -> None:
    program, what_to_set, way, tried = row
    assert program
    assert what_to_set
    assert tried
    commands = re.findall(r"`(spire-bridge [^`]+)`", way)
    files = re.findall(r"\]\(\.\./([^)]+)\)", way)
    assert commands or files
    for command in commands:
        build_parser().parse_args(shlex.split(command)[1:])
    for file in files:
        assert (ROOT / file).exists()


def test_every_command_and_every_example_has_a_row() -> None:
    ways = " ".join(row[2] for row in ROWS)
    text = PAGE.read_text()
    for name in _COMMANDS:
        assert f"spire-bridge credential {name}" in text
    for folder in (ROOT / "conf" / "programs").iterdir():
        assert f"conf/programs/{folder.name})" in ways


def test_every_variable_is_one_that_is_tried() -> None:
    """In the tests of the program's own client, or in an example that these read."""
    tests = "".join(f.read_text() for f in ROOT.glob("tests/**/*.py"))
    named = {name for row in ROWS for name in re.findall(r"`([A-Z][A-Z_]+[A-Z])`", row[1])}
    assert named
    assert {name for name in named if name not in tests} == set()
