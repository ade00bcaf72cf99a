"""The examples in conf/programs: each is tried with the program's own client, and named alike."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from spire_bridge.config.yaml import load
from spire_bridge.service.dev.cloud_accounts import (
    APPLICATION,
    EMAIL,
    PROVIDER,
    ROLE_ARN,
    TENANT,
)
from spire_bridge.service.settings.helper import HelperSettings

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "conf" / "programs"
TRIED = ROOT / "tests" / "peers" / "test_programs.py"


@pytest.mark.parametrize("folder", sorted(EXAMPLES.iterdir()), ids=lambda folder: folder.name)
def test_the_helper_takes_the_example(folder: Path) -> None:
    settings = load(folder / "helper.yaml", HelperSettings)
    written = {path for o in settings.outputs for path in paths(o.folder, o.all_files())}
    texts = "".join(file.read_text() for file in folder.iterdir() if file.name != "helper.yaml")
    named = {name.rstrip("\"';,") for name in re.findall(r"/run/spire-bridge/[^\s\"]+", texts)}
    assert named <= written, "the program reads a file that the helper doesn't write"


def paths(folder: str | None, files: tuple[object, ...]) -> list[str]:
    return [str(Path(folder or "/") / file.path) for file in files]  # type: ignore[attr-defined]


def test_every_example_is_tried_or_named_as_not_tried() -> None:
    tried = set(re.findall(r'example\(\s*"([\w-]+)"', TRIED.read_text()))
    assert {folder.name for folder in EXAMPLES.iterdir()} - tried == {"terraform"}


def test_the_identifiers_are_those_of_the_first_run() -> None:
    """So that an example works against the first run, but for its paths and audience."""
    text = "".join(file.read_text() for file in EXAMPLES.glob("*/*"))
    for name in (APPLICATION, EMAIL, PROVIDER, ROLE_ARN, TENANT):
        assert name in text
    assert json.loads((EXAMPLES / "velero" / "gcp.json").read_text())["audience"] == PROVIDER
