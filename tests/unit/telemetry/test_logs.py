"""Logs: one JSON object a line, and nothing that a field holds can look like another line."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.telemetry.logs import JsonFormatter, TextFormatter, configure_logging

NASTY = 'a"b\\c\nlevel=error\r\n{"level": "error"}\x1b[31m\x00\u2028\ud800'


def record(message: str, *args: Any, level: int = logging.WARNING, **extra: Any) -> Any:
    logger = logging.getLogger("spire_bridge.test")
    made = logger.makeRecord(logger.name, level, "f.py", 1, message, args, None, extra=extra)
    made.created, made.msecs = 1_800_000_000.25, 250.0
    return made


def parsed(made: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(made)
    assert "\n" not in line
    assert line.isascii()

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    entry: dict[str, Any] = json.loads(line, parse_constant=refuse)
    return entry


def test_an_entry() -> None:
    assert parsed(record("source is not connected", source="east", attempt=3)) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "warning",
        "logger": "spire_bridge.test",
        "message": "source is not connected",
        "source": "east",
        "attempt": 3,
    }


def test_arguments_stand_in_the_message() -> None:
    assert parsed(record("%s of %d", "one", 2))["message"] == "one of 2"


def test_nothing_can_break_out_of_its_field() -> None:
    entry = parsed(record(NASTY, reason=NASTY))
    assert entry["message"] == entry["reason"] == NASTY
    assert entry["level"] == "warning"


@given(st.text(), st.dictionaries(st.from_regex(r"x[a-z]*", fullmatch=True), st.text()))
def test_any_text_makes_one_line_of_json(message: str, fields: dict[str, str]) -> None:
    entry = parsed(record(message.replace("%", "%%"), **fields))
    for name, value in fields.items():
        assert entry[name] == value


def test_a_field_cannot_pass_for_the_records_own() -> None:
    entry = parsed(record("m", level=logging.ERROR, time="never", logger="other"))
    assert entry["time"].startswith("2027")
    assert entry["level"] == "error"
    assert entry["logger"] == "spire_bridge.test"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, {(1, 2): 3}])
def test_values_that_json_lacks_are_written_as_text(value: Any) -> None:
    entry = parsed(record("m", value=value))
    assert isinstance(entry["value"], str)
    assert entry["message"] == "m"


def test_a_value_within_itself_is_written_as_text() -> None:
    value: list[Any] = []
    value.append(value)
    assert parsed(record("m", value=value))["value"] == "[[...]]"


def failing(message: str) -> Any:
    try:
        raise ValueError(message)  # noqa: TRY301 — for its traceback
    except ValueError:
        made = record("it failed")
        made.exc_info = sys.exc_info()
        return made


def test_an_exception_is_a_field() -> None:
    entry = parsed(failing("first\nsecond"))
    assert "ValueError: first\nsecond" in entry["exception"]
    assert entry["message"] == "it failed"


def test_text_is_one_line() -> None:
    line = TextFormatter().format(record(f"message {NASTY}", source="east", reason=NASTY))
    assert line.isprintable()
    assert " WARNING message a" in line
    assert " source=east reason=" in line


def test_text_has_an_exception_below_its_line() -> None:
    first, *rest = TextFormatter().format(failing("oops")).splitlines()
    assert first.endswith("it failed")
    assert rest[-1] == "ValueError: oops"


@pytest.fixture
def logging_of_its_own() -> Iterator[None]:
    """The logging of before comes back once the test is over."""
    root, package = logging.getLogger(), logging.getLogger("spire_bridge")
    before = root.handlers[:], root.level, package.level
    root.handlers[:] = []
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    package.setLevel(before[2])


@pytest.mark.usefixtures("logging_of_its_own")
def test_json_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    logging.getLogger("spire_bridge.x").info("ours", extra={"n": 1})
    logging.getLogger("spire_bridge.x").debug("too much")
    logging.getLogger("elsewhere").info("theirs")
    logging.getLogger("elsewhere").warning("their warning")
    output = capsys.readouterr()
    entries = [json.loads(line) for line in output.err.splitlines()]
    assert [entry["message"] for entry in entries] == ["ours", "their warning"]
    assert output.out == ""


@pytest.mark.usefixtures("logging_of_its_own")
def test_configuring_again_replaces_what_was(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "debug")
    configure_logging("text", "error")
    logging.getLogger("spire_bridge.x").warning("too little")
    logging.getLogger("spire_bridge.x").error("once")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("ERROR   once")
