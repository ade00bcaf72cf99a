"""Files that others read while we write them: atomic, with the mode they are to have."""

from __future__ import annotations

import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spire_bridge.errors import BridgeError

STANDARD_INPUT = "-"


class FileFailure(BridgeError):
    """A file could not be read or written; nothing half-written is left behind."""

    code = "FILE_FAILED"


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replaces `path` by `data`, whole or not at all, with exactly `mode` whatever the umask.

    A reader sees the old content or the new. A symbolic link at `path` is replaced, not
    followed. Raises `FileFailure`.
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
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise FileFailure(
            f"{path} can't be written: {error.strerror}",
            hint="check that the folder exists, has room and may be written by this user",
        ) from None
    except ValueError:  # no name at all, or a null byte in it
        raise FileFailure(f"{path} can't be written: that names no file") from None


def read_limited(path: Path, *, max_bytes: int) -> bytes:
    """The content of a regular file of at most `max_bytes`. Raises `FileFailure`."""
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to must not hang
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileFailure(f"{path} is not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(max_bytes + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileFailure(f"{path} can't be read: {error.strerror}") from None
    except ValueError:  # a null byte in the name
        raise FileFailure(f"{path} can't be read: that names no file") from None
    if len(data) > max_bytes:
        raise FileFailure(f"{path} is larger than {max_bytes} bytes")
    return data


def read_input(name: str, *, max_bytes: int) -> bytes:
    """The content of a regular file, or of standard input for `-`. Raises `FileFailure`."""
    if name != STANDARD_INPUT:
        return read_limited(Path(name), max_bytes=max_bytes)
    if sys.stdin is None:
        raise FileFailure("standard input is closed")
    data = sys.stdin.buffer.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise FileFailure(f"standard input is larger than {max_bytes} bytes")
    return data


def _sync_folder(folder: Path) -> None:
    """Makes a rename last over a power cut, where the file system can and the user may."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def key_material_as_file(secret: bytes) -> Iterator[str]:
    """A path at which OpenSSL can read `secret`: in memory where the system has such files."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("key-material", os.MFD_CLOEXEC)
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(secret)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile() as file:  # 0600 from its creation on
            file.write(secret)
            file.flush()
            yield file.name
