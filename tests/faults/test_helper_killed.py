"""kill -9 at every step of the write path, while a reader checks each content that it sees."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from command_line import ROOT, environment
from killed_writer import content, pair, place

NAMES = ("key", "certificates")
SUPPORT = ROOT / "tests" / "support"


def generation_of(name: str, data: bytes) -> int:
    """Fails for what is torn, empty or another file's."""
    assert data.startswith(name.encode() + b" "), data[:40]
    number = int(data.split(b" ", 2)[1])
    assert data == content(name, number), f"{name} of generation {number} is torn"
    return number


class Reader:
    """Reads each file for itself, and both through one open folder where there is `..data`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seen: set[tuple[int, int]] = set()

    def read_each(self) -> dict[str, int]:
        return {name: generation_of(name, (self._folder / name).read_bytes()) for name in NAMES}

    def read_together(self) -> None:
        descriptor = os.open(self._folder / "..data", os.O_RDONLY | os.O_DIRECTORY)
        try:
            found = []
            for name in NAMES:
                with open(name, "rb", opener=lambda p, f: os.open(p, f, dir_fd=descriptor)) as file:
                    found.append(generation_of(name, file.read()))
        finally:
            os.close(descriptor)
        assert found[0] == found[1], "a mismatched pair"
        self.seen.add((found[0], found[1]))


@contextmanager
def reading(reader: Reader, *, together: bool) -> Iterator[None]:
    """Reads again and again meanwhile; fails afterwards with what a reader stumbled over."""
    done = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        while not done.is_set():
            try:
                # Who opened the folder just before it was removed tries again.
                with suppress(*[FileNotFoundError] * together):
                    reader.read_each()
                    if together:
                        reader.read_together()
            except BaseException as error:  # noqa: BLE001 - raised below
                failures.append(error)
                return

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("mode", ["killed", "healed"])
@pytest.mark.parametrize("what", ["files", "switched"])
def test_readers_never_see_what_is_torn_or_does_not_match(
    tmp_path: Path, what: str, mode: str
) -> None:
    place(what, tmp_path).put(pair(1))
    reader = Reader(tmp_path)
    command = [sys.executable, str(SUPPORT / "killed_writer.py"), what, str(tmp_path), mode]
    with reading(reader, together=what == "switched"):
        done = subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=50
        )
    assert (done.returncode, done.stderr) == (0, "")
    # Two files, each opened, written in pieces, given its mode, synchronized and renamed.
    assert int(done.stdout) >= 14
    newest = set(reader.read_each().values())
    assert len(newest) == 1
    if what == "switched":
        assert len(reader.seen) > 1


@pytest.mark.parametrize("data", [b"", content("key", 2)[:-1], content("certificates", 2)])
def test_the_reader_would_notice(tmp_path: Path, data: bytes) -> None:
    place("files", tmp_path).put(pair(2))
    (tmp_path / "key").write_bytes(data)
    with pytest.raises(AssertionError):
        Reader(tmp_path).read_each()
