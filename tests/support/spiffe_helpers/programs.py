"""Both programs as processes, in folders of their own, under the same umask."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from discovery_providers.programs import PATIENCE_SECONDS, Ended, eventually, run, start

NAME = "spiffe-helper"
_OURS = (sys.executable, "-m", "spire_bridge", "helper")
_UNDER_UMASK = ("sh", "-c", 'umask "$0"; exec "$@"')

# Appends a line for its arguments, and one for each signal, to the file that RECORD names.
RECORDER = """\
import json, os, signal, sys
def record(what):
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps(what) + "\\n")
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2"):
    signal.signal(getattr(signal, name), lambda number, _: record(signal.Signals(number).name))
record(sys.argv[1:])
while "--end" not in sys.argv:
    signal.pause()
"""


@dataclass(frozen=True)
class Found:
    """A file as a program left it."""

    data: bytes
    mode: int


@dataclass(frozen=True)
class Helper:
    """One of the two: how it is called, and the folder that it runs in."""

    command: tuple[str, ...]
    folder: Path
    umask: int = 0o022

    @property
    def config(self) -> Path:
        return self.folder / "helper.conf"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def configure(self, text: str | bytes) -> None:
        self.config.write_bytes(text if isinstance(text, bytes) else text.encode())

    def once(self, *flags: str) -> Ended:
        return run(self._words("-daemon-mode=false", *flags))

    def run(self, *flags: str) -> Ended:
        """For what ends by itself."""
        return run(self._words(*flags))

    @contextmanager
    def daemon(self, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        process = start(self._words(), self.log, **variables)
        try:
            yield process
        finally:
            programs = children(process)  # which outlive a helper that is killed
            process.kill()
            process.wait()
            for program in programs:
                with suppress(ProcessLookupError):
                    os.kill(program, signal.SIGKILL)

    def until(self, condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
        eventually(condition, process, self.log)

    def files(self, folder: str = "certs") -> Mapping[str, Found]:
        """What readers find in the folder, by name; not what is yet to be renamed."""
        return {
            path.name: Found(path.read_bytes(), path.stat().st_mode & 0o777)
            for path in sorted((self.folder / folder).glob("[!.]*"))
        }

    def _words(self, *flags: str) -> Sequence[str]:
        words = (*self.command, "-config", str(self.config), *flags)
        return (*_UNDER_UMASK[:3], f"{self.umask:o}", *words)


def both(reference: str, folder: Path, umask: int = 0o022) -> tuple[Helper, Helper]:
    """Ours first."""
    pair = []
    for name, command in (("ours", _OURS), ("theirs", (reference,))):
        inside = folder / name
        (inside / "certs").mkdir(parents=True)
        pair.append(Helper(command, inside, umask))
    return pair[0], pair[1]


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    process.send_signal(number)
    return process.wait(PATIENCE_SECONDS)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The programs that it has started, by their process ID."""
    if process.poll() is not None:
        return []
    command = ["pgrep", "-P", str(process.pid)]
    out = subprocess.run(command, capture_output=True, text=True).stdout
    return [int(word) for word in out.split()]
