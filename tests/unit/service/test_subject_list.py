"""Lists of SPIFFE IDs, patterns among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spire_bridge.service.trust.subject_list import SubjectList, SubjectsUnreadable


def test_ids_patterns_comments_and_what_is_none(tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text(
        "# ours\n\nspiffe://example.org/web\r\n  spiffe://example.org/ns/*/sa/* # all\nspiffe:/x\n"
        "spiffe://example.org/web\n"
    )
    subjects = SubjectList()
    subjects.read(str(file))
    assert subjects.places == {
        "spiffe://example.org/web": f"{file}:3",
        "spiffe://example.org/ns/any/sa/any": f"{file}:4",
    }
    (finding,) = subjects.findings
    assert (finding.rule, finding.place) == ("invalid-spiffe-id", f"{file}:5")


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    for name in ("binary", "absent", "."):
        with pytest.raises(SubjectsUnreadable):
            SubjectList().read(str(tmp_path / name))
