"""HCL as it is written; tests/peers/test_terraform.py has Terraform read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.hcl_writer import (
    Attribute,
    Block,
    Call,
    Expression,
    Template,
    comment_lines,
    quoted,
    write_file,
    written,
)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("", '""'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("two\nlines\r\n\tand more", r'"two\nlines\r\n\tand more"'),
        ("${path.module}", '"$${path.module}"'),
        ("%{ if true }", '"%%{ if true }"'),
        ("$${x}", r'"$\u0024{x}"'),
        ("$%{x}", r'"$\u0025{x}"'),
        ("a $ and a % and a {", '"a $ and a % and a {"'),
        ("\\${x}", r'"\\$${x}"'),
        ("\x00\x7f\u2028\U000e0001", r'"\u0000\u007f\u2028\U000e0001"'),
        ("größer 日本 😀", '"größer 日本 😀"'),
    ],
)
def test_a_string_is_escaped(text: str, literal: str) -> None:
    assert quoted(text) == literal


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_string_stays_on_its_line_and_begins_no_template(text: str) -> None:
    literal = quoted(text)
    assert literal.isprintable()
    inner = literal[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inner
    assert not any(mark in inner.replace(2 * mark[0] + "{", "") for mark in ("${", "%{"))


def test_half_of_a_surrogate_pair_is_no_string() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        quoted("\ud800")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (7, "7"),
        (Expression("aws_iam_role.a.arn"), "aws_iam_role.a.arn"),
        (Template(("${", Expression("each.key"), "/%{")), '"$${${each.key}/%%{"'),
        ([], "[]"),
        (["a"], '["a"]'),
        (["a", "b"], '[\n  "a",\n  "b",\n]'),
        ({}, "{}"),
        ({"for": 1}, '{\n  "for" = 1\n}'),
        ({"a": 1, "odd key": 3}, '{\n  a         = 1\n  "odd key" = 3\n}'),
        ({"a": ["x", "y"], "bc": 1}, '{\n  a = [\n    "x",\n    "y",\n  ]\n  bc = 1\n}'),
        (Call("toset", (["a"],)), 'toset(["a"])'),
        (Call("join", (", ", ["a", "b"])), 'join(", ", [\n  "a",\n  "b",\n])'),
        ([{"a": 1}], "[{\n  a = 1\n}]"),
    ],
)
def test_a_value_is_laid_out(value: object, text: str) -> None:
    assert written(value) == text  # type: ignore[arg-type]


def test_a_file_has_its_comments_where_they_belong() -> None:
    inner = Block.of("lifecycle", body=[Attribute("prevent_destroy", True)])
    first = [Attribute("id", 1), Attribute("name", "x"), Attribute("arn", "y", "Why.")]
    block = Block.of("resource", "thing", "a", body=[first, [], inner], comment="One.\nTwo.")
    assert write_file("Heading.", [block, Block.of("data", "thing", "b")]) == (
        "# Heading.\n"
        "\n"
        "# One.\n"
        "# Two.\n"
        'resource "thing" "a" {\n'
        "  id   = 1\n"
        '  name = "x"\n'
        "  # Why.\n"
        '  arn = "y"\n'
        "\n"
        "  lifecycle {\n"
        "    prevent_destroy = true\n"
        "  }\n"
        "}\n"
        "\n"
        'data "thing" "b" {}\n'
    )


@given(st.text())
def test_nothing_leaves_a_comment(text: str) -> None:
    for line in comment_lines(text):
        assert line.startswith("# ")
        assert line.isprintable()
