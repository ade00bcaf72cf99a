"""Terraform's own reading of generated HCL, and its layout of it."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terraform import PROGRAM, formatted, value_of

from spire_bridge.cloud.hcl_writer import Attribute, Block, Call, Value, write_file, written

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
    inner = Block("lifecycle", (), ((called,),), "Within.")
    groups = (tuple(attributes[:6]), tuple(attributes[6:]), (inner,))
    text = write_file("Heading.", [Block("resource", ("a", "b"), groups)])
    with TemporaryDirectory() as folder:
        assert formatted(text, Path(folder)) == text
