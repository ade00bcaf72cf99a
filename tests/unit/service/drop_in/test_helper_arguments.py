"""`cmd_args`, split as Go's CSV reader splits it at blanks, and `renew_signal`."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.service.drop_in.spiffe_helper.arguments import (
    InvalidArguments,
    renewal_signal,
    split_arguments,
)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", ()),
        ("a b", ("a", "b")),
        ("a  b", ("a", "", "b")),
        (" a ", ("", "a", "")),
        ('a "b c" d', ("a", "b c", "d")),
        ('"a ""b"" c"', ('a "b" c',)),
        ('""', ("",)),
        ("'a b'", ("'a", "b'")),
        ("a\nb", ("a",)),
        ('"a\nb" c', ("a\nb", "c")),
        ("\n\na b\r\nc", ("a", "b")),
    ],
)
def test_arguments_are_split_at_blanks(text: str, arguments: tuple[str, ...]) -> None:
    assert split_arguments(text) == arguments


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('a b"c', 'bare " in a plain argument, which begins at character 3'),
        ('"a', 'extraneous or missing " in a quoted argument, which begins at character 1'),
        ('x "a"b', 'extraneous or missing " in a quoted argument, which begins at character 3'),
        ("\n\n", "there is nothing but line ends"),
    ],
)
def test_what_can_not_be_split(text: str, problem: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        split_arguments(text)
    assert caught.value.message == f"error parsing cmd arguments: {problem}"


# Go's reader has one line end for two.
WORDS = st.text().filter(lambda word: "\r" not in word)


@given(st.lists(WORDS, min_size=1))
def test_what_is_quoted_comes_back(words: list[str]) -> None:
    doubled = (word.replace('"', '""') for word in words)
    assert split_arguments(" ".join(f'"{word}"' for word in doubled)) == tuple(words)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_is_named_in_full(number: signal.Signals) -> None:
    assert renewal_signal(number.name) is number
    assert renewal_signal(number.name.removeprefix("SIG")) is None


@pytest.mark.parametrize("name", ["", "SIG", "SIGNONE", "sighup", "1"])
def test_what_is_no_signal(name: str) -> None:
    assert renewal_signal(name) is None
