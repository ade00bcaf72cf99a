"""Reading that can't hang, and takes no more than it is told."""

from __future__ import annotations

import os
import stat
import sys

from spire_bridge.files.errors import FileFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

STANDARD_INPUT = "-"


def read_limited(path: Path | str, *, max_bytes: int) -> bytes:
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
        return read_limited(name, max_bytes=max_bytes)
    if sys.stdin is None:
        raise FileFailure("standard input is closed")
    data = sys.stdin.buffer.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise FileFailure(f"standard input is larger than {max_bytes} bytes")
    return data
