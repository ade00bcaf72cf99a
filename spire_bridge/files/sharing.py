"""Folders that others can write to, where a file is not safe from being exchanged for another."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from spire_bridge.files.errors import FileFailure


def check_not_shared(folder: Path) -> None:
    """Refuses a folder in which everybody may remove or rename what is ours.

    A sticky one, such as /tmp, is admitted: there only the owner may. What is not there, or
    can't be looked at, is for the call that writes to complain of. Raises `FileFailure`.
    """
    try:
        mode = folder.stat().st_mode
    except (OSError, ValueError):
        return
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise FileFailure(
            f"{folder} may be written by everybody, who could put another file in its place",
            hint=f"chmod o-w {folder}, or use a folder of its own, or say"
            " `allow_shared_folders: true` where everybody is trusted, as in a pod",
        )


def check_link(path: Path) -> None:
    """Refuses a symbolic link that somebody else has put into a folder open to everybody.

    The kernel's rule (fs.protected_symlinks): it is followed if it is ours, or belongs to
    whom the folder belongs to. Raises `FileFailure`.
    """
    try:
        link, folder = path.lstat(), path.parent.stat()
    except (OSError, ValueError):
        return
    if not stat.S_ISLNK(link.st_mode) or not folder.st_mode & stat.S_IWOTH:
        return
    if link.st_uid not in {os.geteuid(), folder.st_uid}:
        raise FileFailure(
            f"{path} is a symbolic link that another user has put into {path.parent}",
            hint="look at where it leads, and remove it; use a folder of its own",
        )
