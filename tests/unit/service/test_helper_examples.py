"""The helper's examples load, and what they call a default is one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from commented_defaults import with_defaults

from spire_bridge.config.yaml import parse
from spire_bridge.service.settings.helper import HelperSettings, ProgramSettings
from spire_bridge.service.settings.outputs import AfterSettings, OutputSettings

CONF = Path(__file__).parents[3] / "conf"
EXAMPLES = sorted(CONF.glob("helper*.yaml"))


def read(text: str) -> HelperSettings:
    return parse(text.encode(), HelperSettings, name="helper.yaml")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_what_an_example_calls_a_default_is_one(example: Path) -> None:
    text = example.read_text()
    assert read(with_defaults(text)) == read(text)


def test_the_examples_show_every_setting() -> None:
    shown = [yaml.safe_load(with_defaults(example.read_text())) for example in EXAMPLES]
    assert {name for example in shown for name in example} == set(HelperSettings.__struct_fields__)
    outputs = [output for example in shown for output in example["outputs"]]
    assert {name for output in outputs for name in output} == set(OutputSettings.__struct_fields__)
    afters = [output["after"] for output in outputs if "after" in output]
    assert {name for after in afters for name in after} == set(AfterSettings.__struct_fields__)
    [program] = [example["program"] for example in shown if example.get("program")]
    assert set(program) == set(ProgramSettings.__struct_fields__)
