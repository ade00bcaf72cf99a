"""The file of a unix socket: whose it is, who may connect, and whether it is still ours."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from pathlib import Path

from spire_bridge.files.owner import Owner

_PROBE_SECONDS = 1.0

Identity = tuple[int, int, int]


class Refused(Exception):
    """A socket can't be made as it is wanted; the text is the reason."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


def remove_stale(path: Path) -> None:
    """Removes a socket that nobody listens on. Raises `Refused` for anything else there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Refused("there is a file that is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECONDS)
        # Only a refusal shows that nobody listens: one who is busy, or whom this user may not
        # speak to, is there.
        if probe.connect_ex(str(path)) not in {errno.ECONNREFUSED, errno.ENOENT}:
            raise Refused("another program listens there", "end it, or choose another path")
    path.unlink(missing_ok=True)


def bind(listener: socket.socket, path: Path, owner: Owner, mode: int) -> Identity:
    """Makes the file; the caller listens afterwards.

    Nobody can connect before that, and on Linux the file is there for nobody until it has
    its owner and mode. Raises `Refused`, `OwnerFailure`, `OSError`; no file is left behind then.
    """
    if sys.platform == "linux":
        os.fchmod(listener.fileno(), 0)  # what bind gives the file, less the umask
    listener.bind(str(path))
    made = identity(path)
    try:
        _hand_over(path, owner, mode)
    except BaseException:
        if identity(path) == made:
            path.unlink(missing_ok=True)
        raise
    assert made is not None
    return made


def identity(path: Path) -> Identity | None:
    """What tells a file from another one that takes its place; None if there is none.

    The time of its making is part of it, since file systems use numbers again.
    """
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _hand_over(path: Path, owner: Owner, mode: int) -> None:
    """First the owner, then the mode, so that no other owner has the rights in between."""
    if sys.platform != "linux":
        owner.take(path)
        path.chmod(mode)
        return
    # By a descriptor of the file itself, so that no link put in its place is followed.
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise Refused("another program has replaced the socket")
        file = Path(f"/proc/self/fd/{descriptor}")
        owner.take(file)
        file.chmod(mode)
    finally:
        os.close(descriptor)
