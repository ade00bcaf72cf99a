"""Files that are replaced whole: a reader sees the old content or the new."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from spire_bridge.files.errors import FileFailure
from spire_bridge.files.owner import Owner

_OURS = Owner()


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, owner: Owner = _OURS) -> None:
    """Replaces `path` by `data`, whole or not at all, with exactly `mode` whatever the umask.

    A symbolic link at `path` is replaced, not followed. What is written is on disk before
    it is found under its name. Raises `FileFailure`, and `OwnerFailure` for an owner that
    this process may not give files to.
    """
    try:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                # First the owner, then the mode: no other owner has the rights in between,
                # and chown takes set-id bits away.
                owner.take(file.fileno())
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise FileFailure(
            f"{path} can't be written: {error.strerror}",
            hint="check that the folder exists, has room and may be written by this user",
        ) from None
    except ValueError:  # no name at all, or a null byte in it
        raise FileFailure(f"{path} can't be written: that names no file") from None


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
