"""The lock under which one process renews a kept answer, while the others wait for it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from spire_bridge.files.errors import FileFailure

_LOOK_SECONDS = 0.02  # how often a lock that another process holds is tried


@contextmanager
def locked(path: str, wait_seconds: float) -> Iterator[None]:
    """Held by one process at a time; who has waited long enough goes on without it.

    Raises `FileFailure` for what can't be locked, a symbolic link among it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise FileFailure(f"{path} can't be locked: {error.strerror}") from None
    try:
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)
