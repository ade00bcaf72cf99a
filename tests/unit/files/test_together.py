"""Files that are replaced together, and what a killed writer leaves beside them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from spire_bridge.files.atomic import NewFile, remove_unfinished, replace_together
from spire_bridge.files.errors import FileFailure

LEFT = ".f.0123456789abcdef"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_are_on_disk_before_the_first_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))

    def replaced(source: Path, target: Path) -> None:
        order.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", replaced)
    replace_together([NewFile(tmp_path / name, name.encode()) for name in ("b", "a", "c")])
    assert order == ["fsync", "fsync", "fsync", "b", "a", "c", "fsync"]
    assert contents(tmp_path) == {"a": b"a", "b": b"b", "c": b"c"}


def test_a_disk_that_fills_up_leaves_all_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_together([NewFile(tmp_path / name, b"old") for name in ("a", "b")])
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(FileFailure, match="b can't be written: No space left"):
        replace_together([NewFile(tmp_path / name, b"new") for name in ("a", "b")])
    assert contents(tmp_path) == {"a": b"old", "b": b"old"}


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    names = (LEFT, ".f.0123", ".g.0123456789abcdef", "f", f"{LEFT}x")
    for name in names:
        (tmp_path / name).write_bytes(b"secret")
    (tmp_path / ".f.fedcba9876543210").mkdir()
    remove_unfinished([tmp_path / "f", tmp_path / "none" / "f"])
    assert LEFT not in contents_of(tmp_path)
    assert contents_of(tmp_path) == {*names, ".f.fedcba9876543210"} - {LEFT}


def test_what_was_left_beside_a_links_target_is_removed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / LEFT).write_bytes(b"secret")
    (tmp_path / "link").symlink_to("there/f")
    (tmp_path / "loop").symlink_to("loop")
    remove_unfinished([tmp_path / "link", tmp_path / "loop", Path("n\0ull")])
    assert list((tmp_path / "there").iterdir()) == []


def contents_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
