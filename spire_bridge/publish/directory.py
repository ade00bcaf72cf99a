"""An issuer's documents as files in a directory, for a web server or a bucket's sync.

Several publishers may share the directory. What is there carries a generation, in a file
beside the documents, and a set of an older generation never replaces one of a newer. The
generation is written before the documents: a publisher that dies in between leaves a set
that only one as new, or newer, may replace.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.files.atomic import write_atomically
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.url import DISCOVERY_PATH, JWKS_PATH, IssuerUrl
from spire_bridge.publish.generation import (
    GENERATION_FILE,
    MAX_NOTE_BYTES,
    Generation,
    Note,
    PublicationOutdated,
)
from spire_bridge.publish.target import Publication, TargetBusy, issuer_segments

LOCK_FILE = ".spire-bridge-lock"

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_LOCK_LOOK_SECONDS = 0.01


def issuer_folder(directory: Path, issuer: IssuerUrl) -> Path:
    """Where below a web server's root the issuer's documents are. Raises `InvalidPublishPath`."""
    return directory.joinpath(*issuer_segments(issuer))


@dataclass(frozen=True, slots=True)
class DirectoryTarget:
    """The folder `path`, which is the issuer's URL to those who read it.

    Folders that are missing are made. `lock_seconds` is how long another publisher may
    take with its writing.
    """

    path: Path
    lock_seconds: float = 10.0

    def publish(self, documents: Documents, generation: Generation) -> Publication:
        """See `Target`; raises `FileFailure` and `TargetBusy` besides."""
        jwks, discovery = self._file(JWKS_PATH), self._file(DISCOVERY_PATH)
        _make_folder(self.path)
        _make_folder(discovery.parent)
        with self._locked():
            self._claim(generation, documents.jwks.etag)
            changed = {
                jwks: _replace(jwks, documents.jwks.body),
                # Only now: whoever reads it finds the keys that it leads to.
                discovery: _replace(discovery, documents.discovery.body),
            }
        return Publication(
            tuple(str(file) for file, is_new in changed.items() if is_new),
            tuple(str(file) for file, is_new in changed.items() if not is_new),
        )

    def _file(self, path: str) -> Path:
        return self.path / path.lstrip("/")

    def _claim(self, generation: Generation, jwks_etag: str) -> None:
        """Notes the generation at the target, unless what is there is newer."""
        file = self.path / GENERATION_FILE
        there = _read_note(file)
        if there is not None:
            if there.outdates(generation, jwks_etag):
                raise PublicationOutdated.at(str(self.path), str(file), there.generation)
            if generation.is_older_than(there.generation):
                return
            if (there.generation, there.jwks_etag) == (generation, jwks_etag):
                return
        note = {**generation.to_json(), "jwks_etag": jwks_etag}
        write_atomically(file, json.dumps(note, indent=2).encode() + b"\n", mode=_FILE_MODE)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other publishers out, on this machine and on file systems that share locks."""
        file = self.path / LOCK_FILE
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(file, flags, 0o600)
        except OSError as error:
            raise FileFailure(f"{file} can't be opened: {error.strerror}") from None
        try:
            _lock(descriptor, file, self.lock_seconds)
            yield
        finally:
            os.close(descriptor)


def _lock(descriptor: int, file: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TargetBusy(
                    f"{file} has been locked by another publisher for {seconds:g} s"
                ) from None
            time.sleep(_LOCK_LOOK_SECONDS)
        except OSError as error:
            raise FileFailure(f"{file} can't be locked: {error.strerror}") from None
        else:
            return


def _read_note(file: Path) -> Note | None:
    """What is noted in `file`; None if there is no file."""
    if not os.path.lexists(file):
        return None
    return Note.parse(read_limited(file, max_bytes=MAX_NOTE_BYTES), str(file))


def _replace(file: Path, body: bytes) -> bool:
    """Writes `body` unless it is there; whether it had to."""
    with suppress(FileFailure):  # absent, or too strange to read: written anew
        if read_limited(file, max_bytes=len(body)) == body:
            return False
    write_atomically(file, body, mode=_FILE_MODE)
    return True


def _make_folder(folder: Path) -> None:
    """Makes the folder and those above it that are missing, open to readers."""
    try:
        if folder.is_dir():
            return
        if folder.parent != folder:
            _make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(_FOLDER_MODE)  # whatever the umask
    except FileExistsError:
        if not folder.is_dir():
            raise FileFailure(f"{folder} is not a folder") from None
    except OSError as error:
        raise FileFailure(f"{folder} can't be made: {error.strerror}") from None
