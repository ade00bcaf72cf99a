"""CEL as it is written, read by a library for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.cloud.generate.cel_text import cel_string, subject_condition, subject_terms
from spire_bridge.cloud.generate.workloads import Workloads

cel = pytest.importorskip("cel", reason="the extra `cel` is not installed")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_literal_stands_for_its_text(text: str) -> None:
    assert cel.evaluate(cel_string(text), {}) == text


def test_the_terms_hold_for_the_workloads_and_nobody_else() -> None:
    several = [
        Workloads(("spiffe://td/b", "spiffe://td/a")),
        Workloads(below="spiffe://td/jobs/"),
        Workloads(("spiffe://td/a",)),
    ]
    terms = subject_terms("sub", several)
    assert terms == [
        "sub == 'spiffe://td/a'",
        "sub == 'spiffe://td/b'",
        "sub.startsWith('spiffe://td/jobs/')",
    ]
    listed = "sub in ['spiffe://td/a', 'spiffe://td/b'] || sub.startsWith('spiffe://td/jobs/')"
    assert subject_condition("sub", several) == listed
    assert subject_condition("sub", several[2:]) == "sub == 'spiffe://td/a'"
    by_line = subject_condition("sub", several, lines=True)
    assert by_line.splitlines()[1] == "  'spiffe://td/a',"
    for condition in map(cel.compile, (" || ".join(terms), listed, by_line)):
        for subject, holds in [("a", True), ("jobs/x", True), ("jobs", False), ("ab", False)]:
            assert condition.execute({"sub": f"spiffe://td/{subject}"}) is holds
