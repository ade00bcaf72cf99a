"""Go's way to print values, as the fmt package documents it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.go_text import as_int64, json_kind, plain, quoted, quoted_list


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ('a"b\\', r'"a\"b\\"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\x00\x7f", r'"\x00\x7f"'),
        ("\u00e4\u2028\U000e0001", '"\u00e4\\u2028\\U000e0001"'),
    ],
)
def test_quoted(text: str, expected: str) -> None:
    assert quoted(text) == expected
    assert quoted_list([text, "x"]) == f'[{expected} "x"]'


@pytest.mark.parametrize(
    ("value", "expected", "kind"),
    [
        (True, "true", "bool"),
        (5, "5", "number"),
        (5.0, "5", "number"),
        (1.5, "1.5", "number"),
        (1e20, "100000000000000000000", "number"),
        (1e21, "1e+21", "number"),
        ([None, "a", [False]], "[<nil> a [false]]", "array"),
        ({"b": 1, "a": {}}, "map[a:map[] b:1]", "object"),
        ("a b", "a b", "string"),
    ],
)
def test_plain(value: Any, expected: str, kind: str) -> None:
    assert (plain(value), json_kind(value)) == (expected, kind)


@given(st.text())
def test_what_is_quoted_is_on_one_line(text: str) -> None:
    assert quoted(text).isprintable()


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1.9, 1), (-1.9, -1), (2.0**63, -(2**63)), (-(2.0**64), -(2**63)), (float("nan"), -(2**63))],
)
def test_as_int64(number: float, expected: int) -> None:
    assert as_int64(number) == expected
