"""Looking up subjects within a bound."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.subjects import SubjectBound, SubjectIndex

INDEX = SubjectIndex(["a/c", "a/b", "b", "a", "a/b"])


def test_what_is_within_a_bound() -> None:
    assert list(INDEX) == ["a", "a/b", "a/c", "b"]
    assert len(INDEX) == 4
    assert list(INDEX.within(SubjectBound.any())) == list(INDEX)
    assert list(INDEX.within(SubjectBound())) == []
    assert INDEX.within(SubjectBound(frozenset({"b", "z"}))) == ["b"]
    both = SubjectBound.globs(["a/*"]) | SubjectBound(frozenset({"b"}))
    assert INDEX.within(both) == ["a/b", "a/c", "b"]


def test_globs() -> None:
    bound = SubjectBound.globs(["a", "b*", "c?d*", "*"])
    assert bound == SubjectBound(frozenset("a"), frozenset({"b", "c", ""}))


WORDS = st.text("ab/", max_size=5)


@given(st.lists(WORDS, max_size=20), st.lists(st.text("ab/*?", max_size=5), max_size=4))
def test_nothing_that_a_pattern_matches_is_missed(subjects: list[str], globs: list[str]) -> None:
    found = set(SubjectIndex(subjects).within(SubjectBound.globs(globs)))
    assert found >= {s for s in subjects if any(fnmatchcase(s, glob) for glob in globs)}
    assert found <= set(subjects)
