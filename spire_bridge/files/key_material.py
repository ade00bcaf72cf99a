"""Key material for libraries that read keys from files alone."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


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
