"""Files with the modes that spiffe-helper would leave them with."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.files.atomic import NewFile, link_target, replace_together
from spire_bridge.files.owner import Owner


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """Files, each replaced whole, that keep the mode, group and owner that they have.

    The reference writes into them and changes none of that. A new one is made with its mode
    in `files`, less the `umask`.
    """

    files: tuple[tuple[Path, int], ...]
    umask: int

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path, _ in self.files)

    def put(self, contents: Sequence[bytes]) -> None:
        """Blocks until they are there. Raises `FileFailure`."""
        pairs = zip(self.files, contents, strict=True)
        replace_together([self._new(path, mode, data) for (path, mode), data in pairs])

    def _new(self, path: Path, mode: int, data: bytes) -> NewFile:
        target = link_target(path)
        try:
            present = target.stat()
        except OSError:  # most likely there is none; else writing says what is wrong
            return NewFile(target, data, mode & ~self.umask)
        return NewFile(target, data, stat.S_IMODE(present.st_mode) & 0o777, _owner(present))


def process_umask() -> int:
    """The umask, which can't be read without setting it: to be called before threads begin."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _owner(present: os.stat_result) -> Owner:
    """The file's own, as far as this process may give it."""
    if os.geteuid() == 0:
        return Owner(present.st_uid, present.st_gid)
    if present.st_gid in {os.getegid(), *os.getgroups()}:
        return Owner(-1, present.st_gid)
    return Owner()
