"""A writer that ends without a warning, as by kill -9, at each of its system calls in turn.

    python killed_writer.py files|switched FOLDER killed|healed

Each time it writes the next generation of a pair into FOLDER, and is killed one step later,
until it lives to its end. `healed`: after each end, another one is let live, as the next start
does, and what is there then must be whole, of one generation, and all. Prints the steps.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spire_bridge.files.atomic import remove_unfinished
from spire_bridge.helper.places import FilePlace, Files, Folder, FolderFiles

# Large enough for a torn write to be seen.
LINE = 4096
LINES = 16
_CALLS = ("open", "mkdir", "chmod", "fchmod", "fsync", "replace", "symlink", "unlink", "rmdir")


def content(name: str, generation: int) -> bytes:
    line = f"{name} {generation} ".encode()
    return (line + b"x" * (LINE - len(line) - 1) + b"\n") * LINES


def pair(generation: int) -> list[bytes]:
    return [content(name, generation) for name in ("key", "certificates")]


def place(what: str, folder: Path) -> Files | FolderFiles:
    if what == "switched":
        names = tuple(FilePlace(Path(name)) for name in ("key", "certificates"))
        return FolderFiles(Folder(folder), names)
    return Files(tuple(FilePlace(folder / name) for name in ("key", "certificates")))


class Steps:
    """Counts the calls that change a disk, and ends the process before one, or amid a write."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last

    def watch(self) -> None:
        for name in _CALLS:
            setattr(os, name, self._counted(getattr(os, name)))
        fdopen = os.fdopen

        def counted_fdopen(*arguments: Any, **options: Any) -> Any:
            file = fdopen(*arguments, **options)
            return self._torn(file) if file.writable() else file

        os.fdopen = counted_fdopen

    def _step(self) -> None:
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._step()
            return call(*arguments, **options)

        return counted

    def _torn(self, file: Any) -> Any:
        steps = self

        class Torn:
            def write(self, data: bytes) -> None:
                for start in range(0, len(data), len(data) // 2):
                    steps._step()
                    file.write(data[start : start + len(data) // 2])
                    file.flush()

            def __enter__(self) -> Torn:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

        return Torn()


def write(what: str, folder: Path, generation: int, step: int) -> bool:
    """Whether a writer lived, in a process of its own, that is killed at this step; 0: at none."""
    child = os.fork()
    if child == 0:
        try:
            Steps(step).watch()
            place(what, folder).put(pair(generation))
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if status not in {0, signal.SIGKILL}:
        sys.exit(f"the writer ended with {status} at step {step}")
    return status == 0


def check_healed(folder: Path, generation: int) -> None:
    for name in ("key", "certificates"):
        if (folder / name).read_bytes() != content(name, generation):
            sys.exit(f"{name} is not of generation {generation}")
    made = 2 if (folder / "..data").exists() else 0
    left = sorted(path.name for path in folder.iterdir())
    if len(left) != 2 + made:
        sys.exit(f"something was left: {left}")


def main(what: str, folder: Path, mode: str) -> None:
    generation = step = 1
    write(what, folder, generation, 0)
    lived = False
    while not lived:
        generation += 1
        lived = write(what, folder, generation, step)
        step += 1
        if mode == "healed":
            generation += 1
            remove_unfinished(folder / name for name in ("key", "certificates"))
            write(what, folder, generation, 0)
            check_healed(folder, generation)
    print(step - 2)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
