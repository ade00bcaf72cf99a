"""Strict YAML: every error names the file, the line, the setting and what is allowed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from spire_bridge.config.yaml import (
    MAX_FILE_BYTES,
    InvalidConfig,
    InvalidSetting,
    json_schema,
    load,
    parse,
)
from spire_bridge.errors import EXIT_USAGE


class Shelf(Struct, frozen=True, forbid_unknown_fields=True):
    label: Annotated[str, Meta(min_length=1)]
    width: Annotated[int, Meta(ge=1, le=9)] = 1
    depth: Annotated[float, Meta(gt=0)] = 1.0
    wood: Literal["oak", "pine"] = "oak"

    def __post_init__(self) -> None:
        if self.label == "forbidden":
            raise InvalidSetting("label", "Nobody may have that label")


class House(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    shelves: tuple[Shelf, ...] = ()
    cellar: Shelf | None = None
    lit: bool = False

    def __post_init__(self) -> None:
        for number, shelf in enumerate(self.shelves):
            if shelf.label == self.name:
                raise InvalidSetting(f"shelves[{number}].label", "The house has that name")


def read(text: str) -> House:
    return parse(text.encode(), House, name="house.yaml")


def refusal(text: str | bytes) -> InvalidConfig:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(InvalidConfig) as caught:
        parse(data, House, name="house.yaml")
    assert caught.value.code == "CONFIG_INVALID"
    assert caught.value.exit_status == EXIT_USAGE
    assert caught.value.message.isprintable()
    return caught.value


def verdict(data: bytes) -> str:
    try:
        return f"house.yaml: {parse(data, House, name='house.yaml')}"
    except InvalidConfig as error:
        return error.message


def test_a_file_becomes_a_typed_value() -> None:
    house = read(
        """
# a comment
name: "home"
lit: yes
shelves:
  - label: left
    width: 3
    depth: 1.5
  - {label: right, wood: pine}
cellar: null
"""
    )
    shelves = (Shelf("left", 3, 1.5), Shelf("right", wood="pine"))
    assert house == House("home", shelves, None, lit=True)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    assert read("\ufeffname: a\r\nlit: true\r\n") == House("a", lit=True)


def test_numbers_read_as_everybody_reads_them() -> None:
    assert read("name: a\ncellar: {label: b, depth: 2}").cellar == Shelf("b", depth=2.0)
    assert read("name: a\ncellar: {label: b, width: +2, depth: 1.5e+0}").cellar == Shelf(
        "b", 2, 1.5
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nshelves:\n  - label: b\n    widht: 2", ":4: shelves[0].widht: unknown setting"),
        ("name: a\ncellar:\n  label: b\n  x: 1", ":4: cellar.x: unknown setting 'x'"),
        ("name: a\n\na.b: 1", ":3: a.b: unknown setting 'a.b'"),
        ('name: a\n"a`[0]": 1', ":2: a`[0]: unknown setting 'a`[0]'"),
        ("name: a\nshelves:\n- {label: b, width: x}", ":3: shelves[0].width: Expected `int`"),
        ("name: a\nshelves:\n- label: b\n  width: 0", ":4: shelves[0].width: Expected `int` >= 1"),
        ("name: a\nshelves:\n- label: b\n  width: 10", ":4: shelves[0].width: Expected `int` <= 9"),
        ("name: a\nshelves:\n- label: ''", ":3: shelves[0].label: Expected `str` of length >= 1"),
        ("name: a\nshelves:\n- label: b\n- width: 2", ":4: shelves[1].label: this setting is miss"),
        ("lit: true", ":1: name: this setting is missing"),
        ("name: a\nshelves: {}", ":2: shelves: Expected `array`, got `object`"),
        ("name: a\nlit: 1", ":2: lit: Expected `bool`, got `int`"),
        ("name: a\nlit: 'yes'", ":2: lit: Expected `bool`, got `str`"),
        ("name: a\ncellar:\n  label: forbidden", ":3: cellar.label: Nobody may have that label"),
        (
            "name: a\nshelves:\n- label: b\n- width: 2\n  label: a",
            ":5: shelves[1].label: The house has that name",
        ),
        ("name: a\nlit: true\nname: b", ":3: 'name' is set twice"),
        ("name: a\nshelves:\n- label: b\n  label: b", ":4: 'label' is set twice"),
        ("- a", ":1: Expected `object`, got `array`"),
        ("just words", ":1: Expected `object`, got `str`"),
        ("", ":1: name: this setting is missing"),
        ("# nothing but this", ":1: name: this setting is missing"),
        ("---\n...\n", ":2: name: this setting is missing"),
    ],
)
def test_an_error_names_the_file_the_line_and_the_setting(text: str, message: str) -> None:
    assert refusal(text).message.startswith(f"house.yaml{message}")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("name: a\nnmae: b", "allowed here: name, shelves, cellar, lit"),
        ("name: a\nshelves: [{lable: b}]", "allowed here: label, width, depth, wood"),
        ("name: a\ncellar: {lable: b}", "allowed here: label, width, depth, wood"),
        ("name: a\ncellar: {label: b, wood: ash}", "allowed here: oak, pine"),
        ("name: a\nshelves: [{label: b, wood: ash}]", "allowed here: oak, pine"),
    ],
)
def test_what_is_allowed_is_listed(text: str, hint: str) -> None:
    assert refusal(text).hint == hint


@pytest.mark.parametrize("value", ["no", "off", "Yes", "12", "1.5", "~", "null"])
def test_a_bare_word_that_yaml_takes_for_something_else_is_told_from_text(value: str) -> None:
    error = refusal(f"name: {value}")
    assert error.message.startswith("house.yaml:1: name: Expected `str`, got ")
    assert error.hint == "put the value in quotes to have it taken as text"
    assert read(f"name: '{value}'").name == value


@pytest.mark.parametrize(
    "value",
    [
        *("0300", "0x10", "0b1", "5:00", "1:30:00", "1_000", ".inf", "-.inf", ".nan", "1:30.5"),
        *("!!int x", "!!float x", "9" * 5000),
    ],
)
def test_a_number_that_could_be_read_in_two_ways_is_refused(value: str) -> None:
    for setting in ("width", "depth"):
        error = refusal(f"name: a\ncellar:\n  label: b\n  {setting}: {value}")
        assert error.message.startswith("house.yaml:4: ")
        assert error.message.endswith("is not a plain decimal number")


@pytest.mark.parametrize(
    "value",
    [
        *("2001-01-01", "2001-99-99", "!!python/object:os.system x", "!!binary YQ==", "="),
        *("!!set {a, b}", "!!omap [a: 1]", "!!pairs 3", "!own x", "!!timestamp x"),
    ],
)
def test_types_that_no_setting_has_are_refused_with_their_line(value: str) -> None:
    error = refusal(f"lit: true\nname: {value}")
    assert error.message.startswith("house.yaml:2: YAML's type ")
    assert error.message.endswith(" is not taken")


@pytest.mark.parametrize("key", ["1", "null", "yes", "2001-01-01", "? [a]\n", "<<", "=", "1.5"])
def test_keys_are_text(key: str) -> None:
    assert refusal(f"name: a\n{key}: x").message == "house.yaml:2: a key must be plain text"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [a", ":1: expected ',' or ']', but got '<stream end>'"),
        ("name: a\nshelves:\n\t- label: b", ":3: found character '\\t'"),
        ("name: 'a", ":1: found unexpected end of stream"),
        ("name: a: b", ":1: mapping values are not allowed here"),
        ("name: *away", ":1: found undefined alias 'away'"),
        ("name: a\n---\nname: b", ":2: expected a single document in the stream, but found anoth"),
        ("name: a\nlit: \0", ":2: a character that YAML does not allow"),
        ("%YAML 9.0\n---\nname: a", ":1: found incompatible YAML document"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text: str, message: str) -> None:
    assert refusal(text).message.startswith(f"house.yaml{message}")


def test_text_in_another_encoding_is_refused_with_its_line() -> None:
    assert refusal(b"lit: true\nname: caf\xe9").message == "house.yaml:2: not UTF-8 text"
    assert refusal("name: a".encode("utf-16")).message == "house.yaml:1: not UTF-8 text"


@pytest.mark.parametrize(
    "bomb",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]",
        "name: a\nshelves: &s [*s]",
        "name: a\nshelves: &s\n- label: b\ncellar: *s",
    ],
)
def test_aliases_cannot_multiply_a_file(bomb: str) -> None:
    assert refusal(bomb).message.endswith("anchors on lists and objects are not taken")


def test_an_anchor_on_text_is_harmless() -> None:
    assert read("name: &n home\ncellar: {label: *n}").cellar == Shelf("home")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "a: {b: ["])
def test_nesting_without_end_is_refused(opening: str) -> None:
    refusal(opening * 20_000)


@pytest.mark.parametrize("text", ['name: "\\ud800"', '"\\udfff": a', 'shelves: "\\ud83d\\ude00"'])
def test_half_a_character_is_refused(text: str) -> None:
    message = "house.yaml:1: half of a surrogate pair is no character"
    assert refusal(text).message == message


def test_a_message_stays_on_one_line() -> None:
    refusal('name: a\n"x\\ny": 1')
    refusal('name: a\n"\\e[31m": 1')


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_nothing_but_a_located_error_comes_of_any_bytes(data: bytes) -> None:
    message = verdict(data)
    assert message.startswith("house.yaml:")
    assert message.isprintable()


_SCALARS = st.sampled_from(
    [
        *("a", "1", "0x1", "yes", "~", "2001-13-01", "!!int a", "!!bool a", "!!null a", "*a"),
        *("!!float 1", "'x", '"\\ud800"', "|", ">", "&a", "!!map", "!!seq", "!", "? a", "# a"),
        *("<<", "=", "1e999"),
    ]
)
_LINES = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["", "- "]),
    st.sampled_from(["name: ", "shelves: ", "label: ", "width: ", "cellar: ", "depth: ", "", "? "]),
    _SCALARS,
).map(lambda t: f"{'  ' * t[0]}{t[1]}{t[2]}{t[3]}")


@given(st.lists(_LINES, max_size=8).map("\n".join))
def test_nothing_but_a_located_error_comes_of_anything_like_yaml(text: str) -> None:
    assert verdict(text.encode()).startswith("house.yaml:")


def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    file = tmp_path / "house.yaml"
    file.write_text("name: a")
    assert load(file, House) == House("a")
    file.write_text("nmae: a")
    with pytest.raises(InvalidConfig, match=r"house\.yaml:1: nmae: unknown setting"):
        load(file, House)


def test_a_file_that_cannot_be_read_is_an_error_of_configuration(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.yaml", tmp_path, tmp_path / "null\0byte"):
        with pytest.raises(InvalidConfig, match=r"can't be read|not a regular file"):
            load(path, House)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InvalidConfig, match="not a regular file"):
        load(pipe, House)


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as opened:
        opened.truncate(10 * 1024**3)  # sparse
    with pytest.raises(InvalidConfig, match=f"larger than {MAX_FILE_BYTES} bytes"):
        load(file, House)


def test_the_schema_says_what_is_allowed() -> None:
    schema = json.loads(json_schema(House))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    shelf = schema["$defs"]["Shelf"]
    assert shelf["additionalProperties"] is False
    assert shelf["required"] == ["label"]
    assert shelf["properties"]["width"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "default": 1,
    }
    assert shelf["properties"]["wood"]["enum"] == ["oak", "pine"]
