"""A file from outside: that it is one, who may read it, who may change it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from spire_bridge.service.doctor.finding import Finding

_TYPES = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_WRITER_ADVICE = "is what writes it running? systemctl status, or the log of the pod's helper"


def check_readable(check: str, path: Path, about: str) -> Iterator[Finding]:
    """It is there, is a regular file, and this user may read it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        yield Finding.failed(check, "FILE_MISSING", _missing(path), _WRITER_ADVICE, about=about)
        return
    except OSError as error:
        yield _unreadable(check, f"it can't be looked at: {error.strerror}", about)
        return
    except ValueError:  # a null byte in the name
        yield Finding.failed(check, "FILE_MISSING", "that names no file", about=about)
        return
    kind = _TYPES.get(stat.S_IFMT(status.st_mode))
    if kind is not None:
        hint = "name the file itself; a reader of anything else may hang"
        yield Finding.failed(check, "FILE_WRONG_TYPE", f"it is {kind}", hint, about=about)
        return
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        yield _unreadable(check, f"it may not be read by uid {os.geteuid()}, {_who(status)}", about)


def check_access(check: str, path: Path, about: str, *, is_secret: bool) -> Iterator[Finding]:
    """Nobody may change it who should not, nor read it if it is a secret. Raises `OSError`."""
    status = path.stat()
    if is_secret and status.st_mode & stat.S_IROTH:
        seen, hint = f"everybody may read it, {_who(status)}", f"chmod o-rwx {path}"
        yield Finding.warned(check, "FILE_WORLD_READABLE", seen, hint, about=about)
    if status.st_mode & stat.S_IWOTH:
        seen, hint = f"everybody may change it, {_who(status)}", f"chmod o-w {path}"
        yield Finding.warned(check, "FILE_WORLD_WRITABLE", seen, hint, about=about)
    if not _is_trusted(status):
        seen = f"another user may change it, {_who(status)}"
        hint = (
            f"chown {os.geteuid()} {path}; or, if a helper of another user writes it, share a group"
        )
        yield Finding.warned(check, "FILE_OWNER", seen, hint, about=about)
    for folder in dict.fromkeys((path.absolute().parent, path.resolve().parent)):
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            seen = f"everybody may replace it: its folder {folder} has mode {_mode(mode)}"
            yield Finding.warned(
                check, "FOLDER_WORLD_WRITABLE", seen, f"chmod o-w {folder}", about=about
            )


def described(path: Path) -> str:
    """Mode and owner, for a line about a file that is as it should be."""
    return _who(path.stat())


def _missing(path: Path) -> str:
    if path.is_symlink():
        return f"it is a link to {path.readlink()}, which is not there"
    return "it is not there"


def _unreadable(check: str, seen: str, about: str) -> Finding:
    hint = "run as its owner, or share a group: fsGroup in a pod, and mode 0640"
    return Finding.failed(check, "FILE_FORBIDDEN", seen, hint, about=about)


def _is_trusted(status: os.stat_result) -> bool:
    """Root's, this user's, or by purpose that of a user who shares a group with this one."""
    shared = status.st_gid in {os.getegid(), *os.getgroups()} and status.st_mode & stat.S_IRGRP
    return status.st_uid in {0, os.geteuid()} or bool(shared)


def _who(status: os.stat_result) -> str:
    return f"mode {_mode(status.st_mode)}, owner {status.st_uid}:{status.st_gid}"


def _mode(mode: int) -> str:
    return f"{stat.S_IMODE(mode):04o}"
