"""Looking up subjects within a bound."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.subjects import SubjectBound, SubjectIndex

INDEX = SubjectIndex(["a/c", "a/b", "b", "a", "a/b", "a?"])


def test_what_is_within_a_bound() -> None:
    assert list(INDEX) == ["a", "a/b", "a/c", "a?", "b"]
    assert len(INDEX) == 5
    assert list(INDEX.within(SubjectBound.any())) == list(INDEX)
    assert list(INDEX.within(SubjectBound())) == []
    assert INDEX.within(SubjectBound(frozenset({"b", "z"}))) == ["b"]
    assert INDEX.within(SubjectBound.beginning_with("a/")) == ["a/b", "a/c"]
    assert INDEX.within(SubjectBound.matching(["a/*", "b", "*c"])) == ["a/b", "a/c", "b"]


def test_wildcards_differ_between_verifiers() -> None:
    assert INDEX.within(SubjectBound.matching(["a?b", "a?"])) == ["a/b", "a?"]
    assert INDEX.within(SubjectBound.matching(["a?b", "a?"], wildcards="*")) == ["a?"]
    assert INDEX.within(SubjectBound.matching(["a*"], wildcards="")) == []


def test_a_pattern_that_would_have_others_go_back_and_forth() -> None:
    index = SubjectIndex(["a" * 2000])
    assert index.within(SubjectBound.matching(["a*" * 50 + "b"])) == []


WORDS = st.text("ab/", max_size=5)


@given(st.lists(WORDS, max_size=20), st.lists(st.text("ab/*?", max_size=5), max_size=4))
def test_what_matches_is_found(subjects: list[str], globs: list[str]) -> None:
    found = SubjectIndex(subjects).within(SubjectBound.matching(globs))
    wanted = {s for s in subjects if any(fnmatchcase(s, glob) for glob in globs)}
    assert found == sorted(wanted)


@given(st.lists(WORDS, max_size=20), st.text("ab/?", max_size=3))
def test_a_beginning_is_literal(subjects: list[str], prefix: str) -> None:
    found = SubjectIndex(subjects).within(SubjectBound.beginning_with(prefix))
    assert found == sorted({s for s in subjects if re.match(re.escape(prefix), s)})
