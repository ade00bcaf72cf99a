"""Answers of token endpoints, kept on disk for the next process (mode 0600).

A command such as `credential_process` runs once for each call of a tool; a burst of them is
to make one token call.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_MAX_BYTES = 256 * 1024
_FORMAT = 1
_LOOK_SECONDS = 0.02  # how often a lock that another process holds is tried


class Kept(Value):
    """An answer and its end, in seconds since the epoch."""

    content: str
    expires_at: int

    _hidden = ("content",)


class _Entry(Value):
    """What is on disk: an answer and the time of its arrival."""

    kept: Kept
    kept_at: int


class AnswerCache(Value):
    """A folder of answers that its owner alone can read.

    `wait_seconds` is how long another process's call for the same answer is waited for.
    """

    folder: Path
    wait_seconds: float = 10.0
    clock: Callable[[], float] = time.time

    @classmethod
    def of_user(cls, environment: Mapping[str, str], *, wait_seconds: float) -> Self:
        """The user's own: `$XDG_CACHE_HOME/spire-bridge`, or `~/.cache/spire-bridge`."""
        home = environment.get("XDG_CACHE_HOME", "")
        base = Path(home) if home.startswith("/") else Path("~/.cache").expanduser()
        return cls(base / "spire-bridge", wait_seconds)

    def get(
        self, key: Mapping[str, str], obtain: Callable[[], Kept], *, renew_seconds: float
    ) -> Kept:
        """The kept answer for `key`, or a new one once less than `renew_seconds` of it are left.

        One whose whole life is short is renewed at half of it, and not at each call. `key`
        names all that the answer depends on. If a new one can't be obtained, the one
        that is still valid is returned. Raises what `obtain` raises, and `FileFailure` for a
        folder that others can write to. A new answer that is over already is not kept.
        """
        file = self._folder() / f"{_digest(key)}.json"
        entry = self._read(file)
        if entry is not None and not self._is_due(entry, renew_seconds):
            return entry.kept
        with self._lock(file.with_suffix(".lock")):
            entry = self._read(file)  # by whoever held the lock
            if entry is not None and not self._is_due(entry, renew_seconds):
                return entry.kept
            try:
                new = obtain()
            except BridgeError:
                if entry is not None:
                    return entry.kept
                raise
            if new.expires_at > self.clock():
                with suppress(FileFailure):  # a full disk: the answer is as good
                    self._write(file, new)
            return new

    def _is_due(self, entry: _Entry, renew_seconds: float) -> bool:
        life = entry.kept.expires_at - entry.kept_at
        return entry.kept.expires_at - self.clock() <= min(renew_seconds, life / 2)

    def _write(self, file: Path, new: Kept) -> None:
        # Loaded only here: most calls find an answer.
        from spire_bridge.files.atomic import write_atomically

        entry = {
            "version": _FORMAT,
            "kept_at": int(self.clock()),
            "expires_at": new.expires_at,
            "content": new.content,
        }
        write_atomically(file, json.dumps(entry).encode(), mode=0o600)

    def _read(self, file: Path) -> _Entry | None:
        """None for what is not there, not ours to trust, or over."""
        try:
            entry = json.loads(read_limited(file, max_bytes=_MAX_BYTES))
            kept = Kept(entry["content"], entry["expires_at"])
            kept_at = entry["kept_at"]
        except (FileFailure, ValueError, KeyError, TypeError):
            return None
        well_formed = (
            isinstance(kept.content, str)
            and isinstance(kept.expires_at, int)
            and isinstance(kept_at, int)
        )
        if not well_formed or entry.get("version") != _FORMAT:
            return None
        return _Entry(kept, kept_at) if kept.expires_at > self.clock() else None

    def _folder(self) -> Path:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.folder.stat()
        except OSError as error:
            raise FileFailure(
                f"the cache {self.folder} can't be used: {error.strerror}",
                hint="name another folder, or use no cache",
            ) from None
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
            raise FileFailure(
                f"the cache {self.folder} may be written by others",
                hint=f"make it yours alone: chmod 0700 {self.folder}",
            )
        return self.folder

    @contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        """Held by one process at a time; who has waited long enough goes on without it."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise FileFailure(f"{path} can't be locked: {error.strerror}") from None
        try:
            deadline = time.monotonic() + self.wait_seconds
            while time.monotonic() < deadline:
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(_LOOK_SECONDS)
            yield
        finally:
            os.close(descriptor)


def _digest(key: Mapping[str, str]) -> str:
    text = json.dumps(dict(key), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
