"""Files that are replaced whole: a reader sees the old content or the new."""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from spire_bridge.files.errors import FileFailure
from spire_bridge.files.owner import Owner

_OURS = Owner()
_UNFINISHED = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file as it is to be: exactly `mode`, whatever the umask."""

    path: Path
    data: bytes = field(repr=False)
    mode: int = 0o600
    owner: Owner = _OURS


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, owner: Owner = _OURS) -> None:
    """Replaces `path` by `data`, whole or not at all, with exactly `mode` whatever the umask.

    A symbolic link at `path` is replaced, not followed. What is written is on disk before
    it is found under its name. Raises `FileFailure`, and `OwnerFailure` for an owner that
    this process may not give files to.
    """
    replace_together((NewFile(path, data, mode, owner),))


def replace_together(files: Sequence[NewFile]) -> None:
    """Replaces files that belong together, in their order, each as `write_atomically` does.

    None is replaced before all are on disk, so that a full disk leaves the old ones as they
    are, and the moment at which a reader can meet old beside new is that of the renames.
    """
    staged: list[Path] = []
    path = Path()
    try:
        try:
            for file in files:
                path = file.path
                staged.append(_temporary(path))
                _write(staged[-1], file)
            for file, temporary in zip(files, staged, strict=True):
                path = file.path
                temporary.replace(path)
        except BaseException:
            for temporary in staged:
                with suppress(OSError):
                    temporary.unlink()
            raise
    except OSError as error:
        raise FileFailure(
            f"{path} can't be written: {error.strerror}",
            hint="check that the folder exists, has room and may be written by this user",
        ) from None
    except ValueError:  # no name at all, or a null byte in it
        raise FileFailure(f"{path} can't be written: that names no file") from None
    for folder in {file.path.parent for file in files}:
        sync_folder(folder)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}")


def _write(path: Path, file: NewFile) -> None:
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(file.data)
        opened.flush()
        # First the owner, then the mode: no other owner has the rights in between, and chown
        # takes set-id bits away.
        file.owner.take(opened.fileno())
        os.fchmod(opened.fileno(), file.mode)
        os.fsync(opened.fileno())


def remove_unfinished(paths: Iterable[Path]) -> None:
    """Removes what a process left beside these files that was killed while it wrote them.

    For files that nobody else writes at the same time. What can't be removed stays.
    """
    names_by_folder: dict[Path, set[str]] = defaultdict(set)
    for path in paths:
        with suppress(OSError, RuntimeError, ValueError):
            target = path.resolve()
            names_by_folder[target.parent].add(target.name)
    for folder, names in names_by_folder.items():
        with suppress(OSError):
            for found in list(folder.iterdir()):
                left = _UNFINISHED.fullmatch(found.name)
                if left is not None and left["name"] in names:
                    with suppress(OSError):
                        found.unlink()


def link_target(path: Path) -> Path:
    """Where the file at `path` is to be written, so that symbolic links stay as they are.

    A link to a file that is not there yet is followed too. Raises `FileFailure` for a loop,
    and for what is neither absent nor a regular file: a pipe, a device or a folder.
    """
    try:
        target = path.resolve()
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return target
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop, before Python 3.13
        reason = getattr(error, "strerror", None) or "too many levels of symbolic links"
        raise FileFailure(f"{path} can't be written: {reason}") from None
    except ValueError:
        raise FileFailure(f"{path} can't be written: that names no file") from None
    if not stat.S_ISREG(mode):
        raise FileFailure(
            f"{path} can't be written: it is {_kind(mode)}, and not replaced",
            hint="name a file, or remove what is there",
        )
    return target


def sync_folder(folder: Path) -> None:
    """Makes a rename last over a power cut, where the file system can and the user may."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device or a link that leads nowhere"
