"""What the repository promises about itself: its locks, its records, its commands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements"
RECORDS = ROOT / "docs" / "decisions"

PIN = re.compile(r"(?P<name>[a-z0-9-]+)==[\w.]+( ; .+)? \\")
HASH = re.compile(r" +--hash=sha256:[0-9a-f]{64}( \\)?")
COMMENT = re.compile(r" *#.*")


@pytest.mark.parametrize("lock", ["build", "extras", "lint", "lock", "run", "test"])
def test_a_lock_pins_by_hash_what_pyproject_asks_for(lock: str) -> None:
    text = (LOCKS / f"{lock}.txt").read_text()
    lines = [line for line in text.splitlines() if not COMMENT.fullmatch(line)]
    assert [line for line in lines if not PIN.fullmatch(line) and not HASH.fullmatch(line)] == []
    assert [
        pin for pin, after in pairwise([*lines, ""]) if PIN.match(pin) and "--" not in after
    ] == []
    pinned = {match["name"] for match in map(PIN.match, lines) if match}
    assert direct_requirements(lock) <= pinned, "out of date: run `make lock`"


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda lock: lock.stem)
def test_a_lock_names_no_index(lock: Path) -> None:
    assert "://" not in lock.read_text()


@pytest.mark.parametrize("lock", sorted(ROOT.glob("tests/peers/**/package-lock.json")))
def test_a_lock_of_npm_pins_by_hash_and_names_no_registry(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    del packages[""]  # the project itself
    assert packages
    for package in packages.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package, "npm config omit-lockfile-registry-resolved=true"


def direct_requirements(lock: str) -> set[str]:
    """The names that pyproject.toml asks for, as a lock writes them (PEP 503)."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = pyproject["project"], pyproject["dependency-groups"]
    extras = project["optional-dependencies"]
    wanted = {
        "run": [*project["dependencies"], *extras["dev"]],
        "extras": [*extras["acme"], *extras["buckets"], *extras["cel"], *extras["templates"]],
        **groups,
    }[lock]
    names = [re.split(r"[^\w.-]", requirement)[0] for requirement in wanted]
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def test_decision_records_are_numbered_without_gaps() -> None:
    records = sorted(RECORDS.glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))


def test_the_index_of_decisions_lists_each_by_number_and_title() -> None:
    index = re.findall(r"(?m)^(\d+)\. \[(.+)\]\((.+)\)$", (RECORDS / "README.md").read_text())
    listed = {name: f"# {number}. {title}" for number, title, name in index}
    headings = {
        record.name: record.read_text().partition("\n")[0] for record in RECORDS.glob("[0-9]*.md")
    }
    assert listed == headings


@pytest.mark.skipif(shutil.which("make") is None, reason="make not found on PATH")
def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    help_text = subprocess.check_output(["make", "-s", "-C", ROOT, "help"], text=True)
    assert re.findall(r"(?m)^  (\w+) ", help_text) == re.findall(r"(?m)^(\w+):", makefile)


def test_the_build_runs_the_command_of_the_readme() -> None:
    build = ROOT / ".ci" / "run"
    assert build.stat().st_mode & 0o111
    assert re.search(r"(?m)^make test\b", build.read_text())


@pytest.mark.skipif(shutil.which("git") is None, reason="git not found on PATH")
def test_nothing_is_left_to_be_done_later() -> None:
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], check=False, capture_output=True, text=True
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    marker = re.compile(rb"\b(TO[D]O|FIX[M]E)\b")
    assert [file for file in files if file.is_file() and marker.search(file.read_bytes())] == []
