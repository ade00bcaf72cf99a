"""A folder that is switched as one, by a link that leads to all of its files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from spire_bridge.files.atomic import NewFile
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.owner import Owner
from spire_bridge.files.switched_folder import switch_folder

NOBODY = 65534


def files(*names: str, data: bytes = b"1", mode: int = 0o600) -> dict[str, NewFile]:
    return {name: NewFile(Path(name), data, mode) for name in names}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder"


def held(folder: Path) -> dict[str, bytes]:
    """What readers find, by name."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith("..")}


def hidden(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".."))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_as_the_kubelet_makes_them(folder: Path) -> None:
    switch_folder(folder, files("crt", "key"), mode=0o750)
    assert held(folder) == {"crt": b"1", "key": b"1"}
    assert (folder / "crt").readlink() == Path("..data/crt")
    made = str((folder / "..data").readlink())
    assert made.startswith("..20")
    assert hidden(folder) == sorted([made, "..data"])
    assert {mode_of(folder), mode_of(folder / made)} == {0o750}
    assert mode_of(folder / "key") == 0o600


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_modes_whatever_the_umask(folder: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        switch_folder(folder, files("crt", mode=0o644), mode=0o755)
    finally:
        os.umask(before)
    assert mode_of(folder) == mode_of(folder / "..data") == 0o755
    assert mode_of(folder / "crt") == 0o644


def test_a_switch_is_one_rename(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch_folder(folder, files("crt", "key"))
    seen: list[dict[str, bytes]] = []
    replace = os.replace

    def watched(source: Path, target: Path) -> None:
        seen.append(held(folder))
        replace(source, target)
        seen.append(held(folder))

    monkeypatch.setattr(os, "replace", watched)
    switch_folder(folder, files("crt", "key", data=b"2"))
    assert [set(now.values()) for now in seen] == [{b"1"}] * 5 + [{b"2"}]


def test_what_was_there_goes_unless_it_is_kept(folder: Path) -> None:
    switch_folder(folder, files("a", "b", "c", mode=0o640))
    switch_folder(folder, files("a", data=b"2"), kept=["b", "never"])
    assert held(folder) == {"a": b"2", "b": b"1"}
    assert mode_of(folder / "b") == 0o640
    assert len(hidden(folder)) == 2


def test_what_others_put_there_is_left_alone(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "README").write_bytes(b"by hand")
    (folder / "link").symlink_to("README")
    (folder / "crt").write_bytes(b"an older program's")
    switch_folder(folder, files("crt"), mode=0o755)
    assert held(folder) == {"README": b"by hand", "link": b"by hand", "crt": b"1"}
    assert mode_of(folder) == 0o700  # it was there


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    switch_folder(folder, files("crt"))
    (folder / "..2020-01-01T00.00.00Z-0000").mkdir()
    (folder / "..2020-01-01T00.00.00Z-0000" / "key").write_bytes(b"secret")
    (folder / "..data_next").symlink_to("nowhere")
    (folder / "gone").symlink_to("..data/gone")
    switch_folder(folder, files("crt", data=b"2"))
    assert held(folder) == {"crt": b"2"}
    assert len(hidden(folder)) == 2


@pytest.mark.parametrize("call", ["fsync", "replace", "symlink"])
def test_a_call_that_fails_leaves_what_was_there_and_nothing_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    switch_folder(folder, files("crt"))
    before = hidden(folder)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    for _ in range(3):
        with pytest.raises(FileFailure, match="No space left"):
            switch_folder(folder, files("crt", data=b"2"))
    monkeypatch.undo()
    assert held(folder) == {"crt": b"1"}
    assert [name for name in hidden(folder) if name != "..data_next"] == before


@pytest.mark.parametrize("name", ["", ".", "..", "..data", "a/b", "/a", "n\0ull"])
def test_names_that_are_none(folder: Path, name: str) -> None:
    with pytest.raises(FileFailure, match="a file's name is plain"):
        switch_folder(folder, files(name))
    assert not folder.exists()
    with pytest.raises(FileFailure):
        switch_folder(folder, {})


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "no" / "parent"):
        with pytest.raises(FileFailure, match="can't be switched") as caught:
            switch_folder(path, files("crt"))
        assert caught.value.hint


def test_a_name_that_a_folder_has_already(folder: Path) -> None:
    (folder / "crt").mkdir(parents=True)
    with pytest.raises(FileFailure, match="can't be switched"):
        switch_folder(folder, files("crt"))


def test_it_is_given_away(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    owner = Owner(NOBODY, NOBODY)
    key = NewFile(Path("key"), b"1", 0o600, owner)
    switch_folder(folder, {"key": key}, mode=0o700, owner=owner)
    for path in (folder, folder / "..data", folder / "key"):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)
