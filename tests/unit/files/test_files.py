"""Files that are whole or not there, with the mode they are to have, whatever goes wrong."""

from __future__ import annotations

import errno
import os
import resource
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spire_bridge.errors import EXIT_FAILURE
from spire_bridge.files import key_material
from spire_bridge.files.atomic import link_target, write_atomically
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.key_material import key_material_as_file
from spire_bridge.files.owner import Owner, OwnerFailure
from spire_bridge.files.reading import read_limited

NOBODY = 65534


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """In the folder, which is its own, as somebody who may not do everything, as root may."""
    user, before = os.geteuid(), Path.cwd()
    os.chdir(folder)  # the folders above it need not admit anybody
    if user == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        os.chdir(before)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def size_limit(number: int) -> Iterator[None]:
    """No file may grow over so many bytes, which fails like a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_new_file(folder: Path) -> None:
    write_atomically(folder / "f", b"content")
    assert (folder / "f").read_bytes() == b"content"
    assert mode_of(folder / "f") == 0o600
    assert [path.name for path in folder.iterdir()] == ["f"]


def test_an_old_file_is_replaced_by_another(folder: Path) -> None:
    path = folder / "f"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666, 0o400])
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_the_mode_is_exact_whatever_the_umask(folder: Path, mode: int, mask: int) -> None:
    (folder / "f").write_bytes(b"old")
    (folder / "f").chmod(0o777)
    with umask(mask):
        write_atomically(folder / "f", b"new", mode=mode)
    assert mode_of(folder / "f") == mode


def test_it_is_private_until_it_is_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def fchmod(descriptor: int, mode: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))

    monkeypatch.setattr(os, "fchmod", fchmod)
    write_atomically(folder / "f", b"secret", mode=0o644)
    assert seen == [0o600]


def test_a_symbolic_link_is_replaced_and_not_followed(folder: Path) -> None:
    target = folder / "target"
    target.write_bytes(b"target")
    (folder / "link").symlink_to(target)
    write_atomically(folder / "link", b"new")
    assert not (folder / "link").is_symlink()
    assert (folder / "link").read_bytes() == b"new"
    assert target.read_bytes() == b"target"


def test_a_pipe_is_replaced(folder: Path) -> None:
    os.mkfifo(folder / "f")
    write_atomically(folder / "f", b"new")
    assert (folder / "f").read_bytes() == b"new"


def test_readers_see_the_old_content_or_the_new(folder: Path) -> None:
    path = folder / "f"
    contents = {bytes([letter]) * 100_000 for letter in b"abc"}
    write_atomically(path, b"a" * 100_000)
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        for content in contents:
            write_atomically(path, content)
    done.set()
    reader.join()
    assert seen <= contents


def fails(path: Path, data: bytes = b"new") -> FileFailure:
    with pytest.raises(FileFailure) as caught:
        write_atomically(path, data)
    assert caught.value.code == "FILE_FAILED"
    assert caught.value.exit_status == EXIT_FAILURE
    assert str(path) in caught.value.message or "\\x00" in caught.value.message
    return caught.value


@pytest.mark.parametrize("old", [b"old", None])
def test_a_full_disk(folder: Path, old: bytes | None) -> None:
    path = folder / "f"
    if old is not None:
        path.write_bytes(old)
    with size_limit(8192):
        error = fails(path, b"x" * 100_000)
    assert "File too large" in error.message
    assert [(p, p.read_bytes()) for p in folder.iterdir()] == ([(path, old)] if old else [])


@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace"])
def test_a_call_that_fails_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = folder / "f"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    assert "No space left on device" in fails(path).message
    monkeypatch.undo()
    assert [(p, p.read_bytes()) for p in folder.iterdir()] == [(path, b"old")]


def test_an_interruption_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(folder / "f", b"new")
    assert list(folder.iterdir()) == []


def test_a_folder_without_permission(folder: Path) -> None:
    folder.chmod(0o555)
    with as_nobody(folder):
        error = fails(Path("f"))
    folder.chmod(0o755)
    assert "Permission denied" in error.message
    assert error.hint
    assert list(folder.iterdir()) == []


def test_a_folder_that_may_be_written_and_not_read(folder: Path) -> None:
    """The content is there; that the folder can't be synchronized is no failure."""
    folder.chmod(0o333)
    with as_nobody(folder):
        write_atomically(Path("f"), b"new")
    folder.chmod(0o755)
    assert (folder / "f").read_bytes() == b"new"


def test_paths_that_cannot_be_written(folder: Path) -> None:
    (folder / "file").write_bytes(b"")
    (folder / "sub").mkdir()
    for name in ("no/such", "file/below", "sub", "n\0ull", "x" * 300):
        fails(folder / name)
    assert sorted(path.name for path in folder.iterdir()) == ["file", "sub"]


@pytest.mark.parametrize("path", [Path("/"), Path(), Path("..")])
def test_paths_that_name_no_file(path: Path) -> None:
    fails(path)


def test_reading(folder: Path) -> None:
    (folder / "f").write_bytes(b"12345")
    (folder / "link").symlink_to("f")
    assert read_limited(folder / "f", max_bytes=5) == b"12345"
    assert read_limited(folder / "link", max_bytes=6) == b"12345"
    (folder / "empty").write_bytes(b"")
    assert read_limited(folder / "empty", max_bytes=0) == b""


def unreadable(path: Path, message: str, *, max_bytes: int = 100) -> None:
    with pytest.raises(FileFailure, match=message):
        read_limited(path, max_bytes=max_bytes)


def test_a_file_that_is_too_large_is_not_read(folder: Path) -> None:
    (folder / "f").write_bytes(b"12345")
    unreadable(folder / "f", "larger than 4 bytes", max_bytes=4)


def test_a_pipe_without_a_writer_is_refused_at_once(folder: Path) -> None:
    os.mkfifo(folder / "f")
    unreadable(folder / "f", "not a regular file")


def test_other_kinds_of_files_are_refused(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(folder)  # the name of a socket has to be short
        listener.bind("s")
        os.chdir(before)
        unreadable(folder / "s", "can't be read")
    unreadable(folder, "not a regular file")
    unreadable(Path("/dev/zero"), "not a regular file")


def test_files_that_cannot_be_opened(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    unreadable(folder / "none", "No such file")
    unreadable(folder / "loop", "symbolic links")
    unreadable(folder / "n\0ull", "names no file")
    (folder / "f").write_bytes(b"")
    (folder / "f").chmod(0o000)
    with as_nobody(folder):
        unreadable(Path("f"), "Permission denied")


def test_no_descriptor_is_left_open(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "f").write_bytes(b"12345")
    lowest = lowest_free_descriptor()
    for path in (folder, folder / "pipe", folder / "f", folder / "none"):
        unreadable(path, ".", max_bytes=1)
    fails(folder / "no/such")
    write_atomically(folder / "f", b"")
    assert lowest_free_descriptor() == lowest


def lowest_free_descriptor() -> int:
    descriptor = os.open("/", os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def test_a_message_is_one_line_whatever_the_name(folder: Path) -> None:
    name = "a\nb\x1b[31m\udcff"
    with pytest.raises(FileFailure) as caught:
        read_limited(folder / name, max_bytes=1)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_no_key_material_stays_in_a_file(
    platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(key_material.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(key_material.sys, "platform", platform)
    with key_material_as_file(b"secret") as path:
        assert Path(path).read_bytes() == b"secret"
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed_to_where_it_leads(folder: Path) -> None:
    (folder / "f").write_bytes(b"")
    (folder / "link").symlink_to("f")
    (folder / "second").symlink_to("link")
    (folder / "early").symlink_to("none-yet")
    (folder / "there").symlink_to(".")
    assert link_target(folder / "f") == folder / "f"
    assert link_target(folder / "second") == folder / "f"
    assert link_target(folder / "early") == folder / "none-yet"
    assert link_target(folder / "there" / "new") == folder / "new"


def test_what_is_no_file_is_no_place_to_write_to(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "to-pipe").symlink_to("pipe")
    (folder / "loop").symlink_to("loop")
    for name, said in (
        ("pipe", "it is a pipe"),
        ("to-pipe", "it is a pipe"),
        (".", "it is a folder"),
        ("loop", "can't be written"),
        ("n\0ull", "names no file"),
    ):
        with pytest.raises(FileFailure, match=said):
            link_target(folder / name)
    with pytest.raises(FileFailure, match="a device"):
        link_target(Path("/dev/null"))


def test_a_file_is_given_away_before_it_is_found(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    write_atomically(folder / "f", b"1", mode=0o640, owner=Owner(NOBODY, NOBODY))
    status = (folder / "f").stat()
    assert (status.st_uid, status.st_gid, mode_of(folder / "f")) == (NOBODY, NOBODY, 0o640)


def test_an_owner_that_is_not_ours_to_give_to(folder: Path) -> None:
    with as_nobody(folder), pytest.raises(OwnerFailure, match="may not give"):
        write_atomically(Path("f"), b"1", owner=Owner(0, 0))
    assert list(folder.iterdir()) == []
