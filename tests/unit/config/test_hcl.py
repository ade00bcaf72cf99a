"""HCL 1 as Go's decoder reads it into SPIRE's structures, and its JSON form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spire_bridge.config.hcl import (
    InvalidHcl,
    Section,
    expand_environment,
    parse_go_duration,
    parse_hcl,
)


def read(text: str) -> Section:
    return parse_hcl(text, name="odp.conf")


@pytest.mark.parametrize(
    "text",
    [
        'file { path = "/b" }',
        'file = { path = "/b" }',
        'FILE {\n  "Path" = "/b"\n}',
        '"file" { path = "/b" }',
        'file {\r\n  path = "/b"\r\n}\r\n',
        '# one\n// two\n/* three\n */\nfile { path = "/b" } # four',
        "file { path = <<EOF\n/b\nEOF\n}",
        '{"file": {"path": "/b"}}',
        '{"file": [{"path": "/a"}, {"path": "/b"}]}',
        'file { path = "/a" }\nfile { path = "/b" }',
    ],
)
def test_a_section_may_be_written_in_many_ways(text: str) -> None:
    section = read(text).section("file")
    assert section is not None
    assert section.text("path").strip() == "/b"


def test_a_section_twice_is_merged_and_later_values_win() -> None:
    section = read('file { path = "/a"\n poll_interval = "1s" }\nfile { path = "/b" }').section(
        "file"
    )
    assert section is not None
    assert (section.text("path"), section.text("poll_interval")) == ("/b", "1s")


def test_what_a_labelled_section_holds_is_out_of_reach() -> None:
    section = read('file "x" { path = "/b" }').section("file")
    assert section is not None
    assert section.text("path") == ""


def test_an_empty_section_is_one() -> None:
    assert read("health_checks {}").section("health_checks") is not None
    assert read("").section("health_checks") is None


def test_a_list_may_end_with_a_comma() -> None:
    assert read('domains = ["a", "b",]').texts("domains") == ("a", "b")


def test_numbers_and_strings_stand_for_each_other() -> None:
    root = read('a = 10\nb = "10"\nc = 0x10\nd = "0o400"\ne = [1, "2"]')
    assert (root.text("a"), root.integer("a"), root.integer("b")) == ("10", 10, 10)
    assert root.integer("c") == 16
    assert root.integer("d") == 0o400
    assert root.texts("e") == ("1", "2")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0640", 0o640),
        ('"0640"', 0o640),
        ('"0_640"', 0o640),
        ('"0o640"', 0o640),
        ('"0b11"', 3),
        ("0x1F", 31),
        ("-1", -1),
        ('"+7"', 7),
        ("0", 0),
        ("00", 0),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_whole_numbers_are_written_as_in_go(text: str, value: int) -> None:
    assert read(f"mode = {text}").integer("mode") == value


@pytest.mark.parametrize(
    "text", ["08", '"x"', '""', '" 1"', "1e2", "9223372036854775808", '"1_"', "<<E\n1\nE\n"]
)
def test_what_is_no_whole_number_in_go_is_refused(text: str) -> None:
    with pytest.raises(InvalidHcl, match="mode must be a whole number"):
        read(f"mode = {text}").integer("mode")


def test_a_number_stays_as_it_is_written_for_a_string() -> None:
    assert read("folder = 0644").text("folder") == "0644"
    with pytest.raises(InvalidHcl, match="folder must be a string"):
        read("folder = 1.50").text("folder")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a \"quoted\" word"', 'a "quoted" word'),
        (r'"back\\"', "back\\"),
        (r'"\\\""', '\\"'),
        (r'"\n\t\x41\u00e9\U0001F600\101"', "\n\tAé😀A"),
        ('"${a "b" {c}}d"', '${a "b" {c}}d'),
        ('"$a $"', "$a $"),
        ("<<E\n a\nb\nE\n", " a\nb\n"),
        ("<<-E\n  a\n   b\n  E\n", "a\n b\n"),
        ("<<-E\n a\nb\n  E\n", " a\nb\n"),
    ],
)
def test_strings_are_written_as_in_go(text: str, value: str) -> None:
    assert read(f"a = {text}").text("a") == value


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('a = 1\nb = "x\ny"', "line 2, column 5: a string is not ended on its line"),
        (r'a = "\q"', "line 1, column 6: illegal escape"),
        (r'a = "\ud800"', "line 1, column 6: no such character"),
        ("a = 'b'", "line 1, column 5: illegal character"),
        ("a: 1", "line 1, column 2: illegal character"),
        ("a = yes", "line 1, column 5: 'yes' is no value"),
        ("a = 0o600", "line 1, column 10: 'o600' needs an object or a value"),
        ('a "b" = 1', "line 1, column 7: 'b' needs an object or a value"),
        ("a {", "line 1, column 4: expected a name"),
        ("a = [1 2]", "line 1, column 8: expected a comma or the list's end"),
        ("/* a", "line 1, column 1: illegal character"),
        ("a = <<E\nb", "line 1, column 5: a heredoc is not ended"),
        ('a = "${b"', "line 1, column 6: '${' is not ended"),
        ("a = " + "[" * 101, "it is too deep"),
        ("a { " * 101, "it is too deep"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InvalidHcl, match=r"^unable to decode configuration: odp\.conf: ") as caught:
        read(text)
    assert place in caught.value.message


def test_objects_of_a_list_are_sections_of_their_own() -> None:
    first, second = read('Tokens = [{ A = "x" }, { "b" = "y", },]').sections("tokens")
    assert (first.name, first.text("a"), first.bare) == ("tokens[0]", "x", {"A"})
    assert (second.name, second.text("b"), second.bare) == ("tokens[1]", "y", frozenset())
    assert read("").sections("tokens") == ()


def test_a_list_that_comes_again_is_longer() -> None:
    root = read('tokens = [{ a = "x" }]\ntokens = [{ a = "y" }]\nnames = ["x"]\nnames = ["y"]')
    assert [section.text("a") for section in root.sections("tokens")] == ["x", "y"]
    assert root.texts("names") == ("x", "y")


@pytest.mark.parametrize(
    "text",
    [
        'tokens { a = "x" }',
        'tokens { a = "x" }\ntokens { a = "y" }',
        'tokens = { a = "x" }',
        'tokens = ["x"]',
        'tokens = [[{ a = "x" }]]',
        'tokens = "x"',
        '{"tokens": [{"a": "x"}]}',
    ],
)
def test_no_other_form_is_a_list_of_objects(text: str) -> None:
    with pytest.raises(InvalidHcl, match="tokens must be a list of objects"):
        read(text).sections("tokens")


def test_a_list_is_no_section() -> None:
    with pytest.raises(InvalidHcl, match="file must be a section"):
        read('file = [{ path = "/b" }]').section("file")


@pytest.mark.parametrize("value", ['"true"', "1", '""'])
def test_nothing_else_stands_for_a_bool(value: str) -> None:
    with pytest.raises(InvalidHcl, match="flag must be true or false"):
        read(f"flag = {value}").flag("flag")


@pytest.mark.parametrize("value", ['"a"', "true"])
def test_nothing_else_stands_for_a_list(value: str) -> None:
    with pytest.raises(InvalidHcl, match="must be a list of strings"):
        read(f"names = {value}").texts("names")


@pytest.mark.parametrize("value", ["1.5", "true", '"x"', '"1.5"'])
def test_nothing_else_stands_for_a_whole_number(value: str) -> None:
    with pytest.raises(InvalidHcl, match="port must be a whole number"):
        read(f"port = {value}").integer("port")


def test_what_is_not_set_is_the_zero_value() -> None:
    root = read("")
    assert (root.text("a"), root.flag("b"), root.integer("c")) == ("", False, 0)
    assert root.texts("d") == ()
    assert root.seconds("e", 10.0) == 10.0


def test_a_variable_stays_literal_without_expansion() -> None:
    assert read('a = "${X}"').text("a") == "${X}"


@pytest.mark.parametrize("text", ["a = [", "a = ", "{", "a = <<E", "= 1", "\ufeffa = 1", "[]"])
def test_what_is_no_hcl_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidHcl, match="unable to decode configuration") as caught:
        read(text)
    assert "\n" not in caught.value.message


def test_unknown_names_are_told() -> None:
    assert read("B = 1\na = 2\nc = 3").unknown(frozenset({"c"})) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10.0),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1h2m3s4ms5us6ns", 3723.004005006),
        ("1µs", 1e-6),
        ("+1s", 1.0),
        ("-1s", -1.0),
        ("0", 0.0),
        ("-0", 0.0),
        ("0s", 0.0),
    ],
)
def test_durations_are_written_as_in_go(text: str, seconds: float) -> None:
    assert parse_go_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "1 s", "1d", "--1s", "+-1s", "1s2", ".s", "1,5s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        parse_go_duration(text)


@pytest.mark.parametrize("text", ["-1s", "0s", "0", ""])
def test_zero_and_below_mean_the_default(text: str) -> None:
    assert read(f'every = "{text}"').seconds("every", 7.0) == 7.0


def test_a_number_is_no_duration() -> None:
    with pytest.raises(InvalidHcl, match=r"invalid every .* '10' is no duration"):
        read("every = 10").seconds("every", 7.0)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A", "one"),
        ("${A}", "one"),
        ("$A$B", "onetwo"),
        ("$A.$B", "one.two"),
        ("${A}x", "onex"),
        ("$Ax", ""),
        ("$NONE|${NONE}|", "||"),
        ("$$", "$"),
        ("$$A", "$A"),
        ("a$", "a$"),
        ("$ A", "$ A"),
        ("$1", ""),
    ],
)
def test_variables_are_expanded(text: str, expanded: str) -> None:
    assert expand_environment(text, {"A": "one", "B": "two"}) == expanded


@given(st.one_of(st.text(), st.text(alphabet='ab={}[]"\\\n,#/*<>0x1.-$ ')))
@example("0/0")
def test_no_text_is_more_than_refused(text: str) -> None:
    try:
        root = read(text)
    except InvalidHcl:
        return
    assert isinstance(root, Section)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
        st.one_of(st.booleans(), st.integers(), st.lists(st.text()), st.text()),
        max_size=5,
    )
)
def test_json_is_read_as_json(values: dict[str, Any]) -> None:
    root = read(json.dumps(values))
    for name, value in values.items():
        if isinstance(value, str):
            assert root.text(name) == value
        elif isinstance(value, bool):
            assert root.flag(name) is value


@given(st.text())
def test_expansion_takes_any_text(text: str) -> None:
    assert isinstance(expand_environment(text, {}), str)


@given(st.text(alphabet="0123456789.hmsnuµ+-"))
def test_no_text_is_more_than_no_duration(text: str) -> None:
    try:
        parse_go_duration(text)
    except ValueError:
        return
