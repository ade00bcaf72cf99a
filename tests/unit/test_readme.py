"""The README says what the program says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from spire_bridge.cli.main import build_parser

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_help_text_is_that_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = re.search(r"\$ spire-bridge --help\n(.*?)```", README, re.DOTALL)

    assert shown is not None
    # Word by word: Python versions indent the commands differently.
    assert shown[1].split() == build_parser().format_help().split()


def test_python_example_imports_what_there_is() -> None:
    example = re.search(r"```python\n(from .*?)\n", README)

    assert example is not None
    subprocess.run([sys.executable, "-c", example[1]], check=True, cwd=ROOT)


def test_links_lead_to_files_of_the_repository() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
