"""Answers of token endpoints, kept on disk for the next process (mode 0600).

A command such as `credential_process` runs once for each call of a tool; a burst of them is
to make one token call. To find a kept answer is all that most of them do: what a new one
takes is loaded where it is made, and paths are texts, since `pathlib` takes long to load.
"""

from __future__ import annotations

import json
import os
import stat
import time
from binascii import crc32
from collections.abc import Callable, Mapping

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_MAX_BYTES = 256 * 1024
_FORMAT = 2


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

    folder: str
    wait_seconds: float = 10.0
    clock: Callable[[], float] = time.time

    @classmethod
    def of_user(cls, environment: Mapping[str, str], *, wait_seconds: float) -> Self:
        """The user's own: `$XDG_CACHE_HOME/spire-bridge`, or `~/.cache/spire-bridge`.

        Raises `FileFailure` for a user without a home.
        """
        base = environment.get("XDG_CACHE_HOME", "")
        if not base.startswith("/"):
            base = os.path.expanduser("~/.cache")  # noqa: PTH111
        if not base.startswith("/"):
            raise FileFailure(
                "this user has no home for a cache",
                hint="set HOME or XDG_CACHE_HOME, name another folder, or use no cache",
            )
        return cls(f"{base}/spire-bridge", wait_seconds)

    def get(
        self, key: Mapping[str, str], obtain: Callable[[], Kept], *, renew_seconds: float
    ) -> Kept:
        """The kept answer for `key`, or a new one once less than `renew_seconds` of it are left.

        One whose whole life is short is renewed at half of it, and not at each call. `key`
        names all that the answer depends on. If a new one can't be obtained, the one
        that is still valid is returned. Raises what `obtain` raises, and `FileFailure` for a
        folder that others can write to. A new answer that is over already is not kept.
        """
        path = f"{self._checked_folder()}/{_name(key)}"
        entry = self._read(path, key)
        if entry is not None and not self._is_due(entry, renew_seconds):
            return entry.kept
        from spire_bridge.credentials.cache_lock import locked

        with locked(f"{path}.lock", self.wait_seconds):
            entry = self._read(path, key)  # by whoever held the lock
            if entry is not None and not self._is_due(entry, renew_seconds):
                return entry.kept
            try:
                new = obtain()
            except BridgeError:
                if entry is not None:
                    return entry.kept
                raise
            if new.expires_at > self.clock():
                self._write(path, key, new)
            return new

    def _is_due(self, entry: _Entry, renew_seconds: float) -> bool:
        life = entry.kept.expires_at - entry.kept_at
        return entry.kept.expires_at - self.clock() <= min(renew_seconds, life / 2)

    def _write(self, path: str, key: Mapping[str, str], new: Kept) -> None:
        from contextlib import suppress
        from pathlib import Path

        from spire_bridge.files.atomic import write_atomically

        entry = {
            "version": _FORMAT,
            "key": dict(key),
            "kept_at": int(self.clock()),
            "expires_at": new.expires_at,
            "content": new.content,
        }
        with suppress(FileFailure):  # a full disk: the answer is as good
            write_atomically(Path(f"{path}.json"), json.dumps(entry).encode(), mode=0o600)

    def _read(self, path: str, key: Mapping[str, str]) -> _Entry | None:
        """None for what is not there, not ours to trust, to another key, or over."""
        try:
            entry = json.loads(read_limited(f"{path}.json", max_bytes=_MAX_BYTES))
            kept = Kept(entry["content"], entry["expires_at"])
            kept_at = entry["kept_at"]
        except (FileFailure, ValueError, KeyError, TypeError):
            return None
        well_formed = (
            isinstance(kept.content, str)
            and isinstance(kept.expires_at, int)
            and isinstance(kept_at, int)
        )
        if not well_formed or entry.get("version") != _FORMAT or entry.get("key") != dict(key):
            return None
        return _Entry(kept, kept_at) if kept.expires_at > self.clock() else None

    def _checked_folder(self) -> str:
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)  # noqa: PTH103
            status = os.stat(self.folder)  # noqa: PTH116
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


def _name(key: Mapping[str, str]) -> str:
    """A file's name. The key is in the file, so that two of one name only replace each other.

    A checksum, since `hashlib` loads OpenSSL.
    """
    return f"{crc32(json.dumps(dict(key), sort_keys=True).encode()):08x}"
