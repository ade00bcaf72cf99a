"""Generations and the notes of them: how they compare, and what is read of a note."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.publish.generation import Generation, InvalidGeneration, Note

MOMENTS = st.floats(min_value=0, max_value=4e9)
GENERATIONS = st.builds(Generation, MOMENTS, st.none() | st.integers(0, 5))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(GENERATIONS, GENERATIONS)
def test_no_two_are_older_than_each_other(one: Generation, other: Generation) -> None:
    assert not (one.is_older_than(other) and other.is_older_than(one))
    assert not one.is_older_than(one)


@given(GENERATIONS, st.text())
def test_a_note_is_read_as_it_was_written(generation: Generation, etag: str) -> None:
    data = json.dumps({**generation.to_json(), "jwks_etag": etag}).encode()
    note = Note.parse(data, "note")
    assert note.jwks_etag == etag
    assert note.generation.to_json() == generation.to_json()
    for older, newer in ((generation, note.generation), (note.generation, generation)):
        assert not older.is_older_than(newer)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidGeneration, match="note is not a generation"):
        Note.parse(data, "note")


@given(
    st.fixed_dictionaries(
        {}, optional={"sequence": JSON, "confirmed_at": JSON, "jwks_etag": JSON, "more": JSON}
    )
)
def test_a_note_is_valid_once_it_exists(members: dict[str, object]) -> None:
    try:
        note = Note.parse(json.dumps(members).encode(), "note")
    except InvalidGeneration:
        return
    assert isinstance(note.jwks_etag, str)
    assert isinstance(note.generation.confirmed_at, int | float)
    json.dumps(note.generation.to_json())
