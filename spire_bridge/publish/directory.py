"""An issuer's documents as files in a directory, for a web server or a bucket's sync.

Several publishers may share the directory. What is there carries a generation, in a file
beside the documents, and a set of an older generation never replaces one of a newer. The
generation is written before the documents: a publisher that dies in between leaves a set
that only one as new, or newer, may replace.

Where no sequence is known, a generation is the time at which the bundle was confirmed. It
can't tell that an agent lags: a publisher that starts on such an agent's word counts as new
until that agent has caught up.
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
from typing import Any, Protocol, Self
from urllib.parse import unquote

from spire_bridge.errors import EXIT_UNAVAILABLE, EXIT_USAGE, BridgeError
from spire_bridge.files import FileFailure, read_limited, write_atomically
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.url import DISCOVERY_PATH, JWKS_PATH, IssuerUrl
from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.strict_json import is_integer, parse_object

GENERATION_FILE = ".spire-bridge-generation.json"
LOCK_FILE = ".spire-bridge-lock"

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_MAX_GENERATION_BYTES = 4096
_LOCK_LOOK_SECONDS = 0.01


class PublicationOutdated(BridgeError):
    """The target has a newer set of keys than the one to be published."""

    code = "PUBLICATION_OUTDATED"


class InvalidGeneration(BridgeError):
    """The target's generation can't be read, so nobody knows how new its documents are."""

    code = "GENERATION_INVALID"


class TargetBusy(BridgeError):
    """Another publisher has been writing to the target for too long."""

    code = "TARGET_BUSY"
    exit_status = EXIT_UNAVAILABLE


class InvalidPublishPath(BridgeError):
    """The issuer's path can't be a path of files."""

    code = "PUBLISH_PATH_INVALID"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class Generation:
    """How new a set of documents is.

    `sequence` is the bundle's, None where no source tells one; `confirmed_at` is when the
    bundle was last known to be current, in seconds since the epoch, kept to a millisecond.
    """

    confirmed_at: float
    sequence: int | None = None

    def is_older_than(self, other: Self) -> bool:
        """By sequence where both tell it, and by time where that decides nothing."""
        ours, theirs = self.sequence, other.sequence
        if ours is not None and theirs is not None and ours != theirs:
            return ours < theirs
        return self._milliseconds < other._milliseconds

    def to_json(self) -> dict[str, Any]:
        times: dict[str, Any] = {"confirmed_at": self._milliseconds / 1000}
        return times if self.sequence is None else {"sequence": self.sequence, **times}

    @property
    def _milliseconds(self) -> int:
        return round(self.confirmed_at * 1000)


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication did: where documents were written, and where they stood already."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]


class Target(Protocol):
    """A place that documents are published at; each kind of store is one."""

    def publish(self, documents: Documents, generation: Generation) -> Publication:
        """Writes the documents that differ, the JWK set first. May block.

        Raises `PublicationOutdated` if the target has another set that is newer, and
        another `BridgeError` if it can't be written; the same call may then be repeated.
        """
        ...


def issuer_folder(directory: Path, issuer: IssuerUrl) -> Path:
    """Where below a web server's root the issuer's documents are. Raises `InvalidPublishPath`."""
    segments = [unquote(segment) for segment in issuer.path.split("/")[1:]]
    for segment in segments:
        if segment in ("", ".", "..") or "/" in segment or "\0" in segment:
            raise InvalidPublishPath(
                f"the path of issuer {issuer} can't be one of folders",
                hint="its segments must not be empty, `.` or `..`, nor have an encoded slash",
            )
    return directory.joinpath(*segments)


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
        there = _read_generation(file)
        if there is not None:
            newest, etag = there
            if generation.is_older_than(newest):
                if etag != jwks_etag:
                    raise PublicationOutdated(
                        f"{self.path} has a newer set of keys than this one",
                        hint="if the trust domain was set up anew, or a publisher's clock was"
                        f" ahead, remove {file}",
                    )
                return
            if (newest, etag) == (generation, jwks_etag):
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


def _read_generation(file: Path) -> tuple[Generation, str] | None:
    """The generation noted in `file` and its JWK set's entity tag; None if there is no file."""
    if not os.path.lexists(file):
        return None
    try:
        data = read_limited(file, max_bytes=_MAX_GENERATION_BYTES)
        note = parse_object(data, what="generation", max_bytes=_MAX_GENERATION_BYTES)
    except InvalidJson:
        note = {}
    sequence, confirmed_at = note.get("sequence"), note.get("confirmed_at")
    etag = note.get("jwks_etag")
    if (
        not (sequence is None or is_integer(sequence))
        or not (is_integer(confirmed_at) or isinstance(confirmed_at, float))
        or not isinstance(etag, str)
    ):
        raise InvalidGeneration(
            f"{file} is not a generation that was written here",
            hint="remove it if the documents beside it may be replaced",
        )
    return Generation(confirmed_at, sequence), etag


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
