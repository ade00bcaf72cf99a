"""JSON without its ambiguities."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.strict_json import MAX_DEPTH, is_integer, parse_object

LIMIT = 100_000


def parse(data: bytes) -> dict[str, Any]:
    return parse_object(data, what="document", max_bytes=LIMIT)


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    """An object that holds `levels` - 1 further levels."""
    return f'{{"a":{opening * (levels - 1)}{closing * (levels - 1)}}}'.encode()


ACCEPTED: list[tuple[bytes, dict[str, Any]]] = [
    (b"{}", {}),
    (b' \r\n\t{"a" : 1}\n', {"a": 1}),
    (
        b'{"a":1.5e3,"b":-0.0,"c":[true,false,null]}',
        {"a": 1500.0, "b": 0, "c": [True, False, None]},
    ),
    (b'{"\\u00e9":"\\ud83d\\ude00"}', {"é": "😀"}),
    ('{"é":"\u0000"}'.replace("\0", "\\u0000").encode(), {"é": "\0"}),
    (b'{"a":{"x":1},"b":{"x":1}}', {"a": {"x": 1}, "b": {"x": 1}}),
    (b'{"a":18446744073709551616}', {"a": 1 << 64}),
    (nested(3), {"a": [[]]}),
]

REFUSED = {
    "empty": b"",
    "blank": b"  ",
    "null": b"null",
    "array": b"[]",
    "string": b'"text"',
    "number": b"1",
    "cut short": b'{"a":1',
    "trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "comment": b'{"a":1}//',
    "two documents": b'{"a":1}{"b":2}',
    "trailing NUL": b'{"a":1}\0',
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "Latin-1": '{"é":1}'.encode("latin-1"),
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "tab in a string": b'{"a":"\t"}',
    "newline in a string": b'{"a":"\n"}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b'{"a":-Infinity}',
    "too large": b'{"a":1e999}',
    "too small": b'{"a":-1e999}',
    "thousands of digits": b'{"a":' + b"9" * 5000 + b"}",
    "hexadecimal": b'{"a":0x10}',
    "leading zero": b'{"a":01}',
    "Python's True": b'{"a":True}',
    "name twice": b'{"a":1,"a":1}',
    "name twice, escaped": b'{"a":1,"\\u0061":2}',
    "name twice, inside": b'{"a":{"b":[{"c":1,"c":2}]}}',
    "lone high surrogate": b'{"a":"\\ud800"}',
    "lone low surrogate": b'{"a":"\\udc00x"}',
    "lone surrogate in a name": b'{"\\ud800":1}',
    "lone surrogate inside": b'{"a":[{"b":["\\udfff"]}]}',
}


@pytest.mark.parametrize(("data", "value"), ACCEPTED)
def test_json_is_read(data: bytes, value: dict[str, Any]) -> None:
    assert parse(data) == value


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidJson, match=r"^document"):
        parse(data)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_has_a_limit_of_its_own(opening: str, closing: str) -> None:
    innermost = "[]" if opening == "[" else "{}"

    def of_depth(levels: int) -> bytes:
        around = levels - 2
        return f'{{"a":{opening * around}{innermost}{closing * around}}}'.encode()

    assert parse(of_depth(MAX_DEPTH))
    with pytest.raises(InvalidJson, match="nested too deeply"):
        parse(of_depth(MAX_DEPTH + 1))


@pytest.mark.parametrize("levels", [500, 990, 5_000, 40_000])
def test_no_depth_exhausts_the_interpreter(levels: int) -> None:
    with pytest.raises(InvalidJson, match="nested too deeply"):
        parse(nested(levels))


def test_the_size_is_limited_before_anything_is_parsed() -> None:
    assert parse(b'{"a":"' + b"x" * (LIMIT - 8) + b'"}')
    with pytest.raises(InvalidJson, match=f"larger than {LIMIT} bytes"):
        parse(b"[" * (LIMIT + 1))


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_no_error_carries_the_text(data: bytes) -> None:
    """Python's decoder errors hold the document in `doc` and `object`."""
    secret = b"correct-horse-battery"
    with pytest.raises(InvalidJson) as caught:
        parse(data.replace(b"}", b',"k":"' + secret + b'"}') + secret)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert secret.decode() not in repr(error)


@pytest.mark.parametrize(
    ("value", "integer"), [(1, True), (-1, True), (True, False), (1.0, False), ("1", False)]
)
def test_true_is_no_integer(value: object, integer: bool) -> None:
    assert is_integer(value) is integer


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=5), st.booleans())
def test_what_the_standard_encoder_writes_is_read(value: dict[str, Any], escaped: bool) -> None:
    try:
        data = json.dumps(value, ensure_ascii=escaped).encode()
    except UnicodeEncodeError:
        return
    assert parse(data) == value


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"\xff")
@example(b"[" * 50_000)
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(InvalidJson):
        assert isinstance(parse(data), dict)
