"""Terraform's own reading of generated HCL, and its layout of it."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from described_trust import EXAMPLE, GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st
from terraform import PROGRAM, call, formatted, value_of

from spire_bridge.cloud.hcl_writer import Attribute, Block, Call, Value, quoted, write_file, written
from spire_bridge.service.settings.trust import load_trust_settings
from spire_bridge.service.trust.generation import render

PLUGINS = os.environ.get("TERRAFORM_PLUGIN_DIR")
FILES = sorted(GOLDEN.glob("*/*.tf"))
TEXT = re.DOTALL | re.MULTILINE

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="neither terraform nor tofu found on PATH: HCL is not judged"
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
TRICKY = st.lists(st.sampled_from(["$", "%", "{", "}", "\\", '"', "~", "\n", "u0024", "a"])).map(
    "".join
)
NAMES = st.from_regex(r"[a-z][a-z_-]{0,12}", fullmatch=True)


def values(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        texts | st.booleans() | st.integers(0, 10**9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )


def normal(value: Any) -> Any:
    """As Terraform keeps it: every string in the normal form C of Unicode."""
    match value:
        case str():
            return unicodedata.normalize("NFC", value)
        case list():
            return [normal(item) for item in value]
        case dict():
            return {normal(name): normal(item) for name, item in value.items()}
        case _:
            return value


@settings(max_examples=25)
@given(st.lists(TEXTS | TRICKY, min_size=1, max_size=40))
def test_strings_are_read_as_they_were_meant(texts: list[str]) -> None:
    with TemporaryDirectory() as folder:
        assert value_of(written(texts), Path(folder)) == normal(texts)


@settings(max_examples=25)
@given(values(TRICKY))
def test_values_are_read_as_they_were_meant(value: Any) -> None:
    with TemporaryDirectory() as folder:
        assert value_of(written(value), Path(folder)) == value


@settings(max_examples=30)
@given(st.dictionaries(NAMES, st.tuples(values(NAMES), st.sampled_from(["", "Why."])), max_size=9))
def test_the_layout_is_that_of_fmt(described: dict[str, tuple[Value, str]]) -> None:
    attributes = [Attribute(name, *rest) for name, rest in described.items()]
    called = Attribute("called", Call("jsonencode", ({"a": [1, 2]},)))
    inner = Block.of("lifecycle", body=[called], comment="Within.")
    groups = [attributes[:6], attributes[6:], inner]
    text = write_file("Heading.", [Block.of("resource", "a", "b", body=groups)])
    with TemporaryDirectory() as folder:
        assert formatted(text, Path(folder)) == text


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_generated_files_are_in_the_layout_of_fmt(file: Path, tmp_path: Path) -> None:
    assert formatted(file.read_text(), tmp_path) == file.read_text()


@pytest.mark.skipif(PLUGINS is None, reason="TERRAFORM_PLUGIN_DIR names no folder of providers")
@pytest.mark.parametrize("name", ["example", "hostile"])
def test_generated_files_are_valid_to_the_providers(name: str, tmp_path: Path) -> None:
    for file in (GOLDEN / name).glob("*.tf"):
        copy(file, tmp_path)
    for command in (["init", "-backend=false", f"-plugin-dir={PLUGINS}"], ["validate"]):
        ended = call(*command, folder=tmp_path)
        assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", ["example", "hostile"])
def test_trust_policies_are_read_as_those_that_were_checked(name: str, tmp_path: Path) -> None:
    """The Terraform that is written is the policy that the rules of AWS were asked about."""
    description = {"example": EXAMPLE, "hostile": GOLDEN / "hostile.yaml"}[name]
    files, granted = render(load_trust_settings(description), ["aws"])
    described = [json.loads(grant.trust) for grant in granted]
    policies = re.findall(r"assume_role_policy = (jsonencode\(.*?^  }\))", files["aws.tf"], TEXT)
    assert len(policies) == len(described)
    for policy, wanted in zip(policies, described, strict=True):
        arn = wanted["Provider"]["OpenIDConnectProviderArn"]
        literal = policy.replace("aws_iam_openid_connect_provider.spire.arn", quoted(arn))
        assert json.loads(value_of(literal, tmp_path)) == wanted["Role"]["AssumeRolePolicyDocument"]


@pytest.mark.parametrize("name", ["example", "hostile"])
def test_conditions_of_google_are_read_as_those_that_were_checked(
    name: str, tmp_path: Path
) -> None:
    description = {"example": EXAMPLE, "hostile": GOLDEN / "hostile.yaml"}[name]
    files, granted = render(load_trust_settings(description), ["gcp"])
    provider = json.loads(granted[0].trust)["provider"]
    for written_as, kept_as, end in (
        ("attribute_condition", "attributeCondition", r"\]\)"),
        ("attribute_mapping", "attributeMapping", "}"),
    ):
        found = re.search(rf"{written_as} = (.*?^  {end})$", files["gcp.tf"], TEXT)
        assert found is not None
        assert value_of(found[1], tmp_path) == provider[kept_as]
