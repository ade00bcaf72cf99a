"""An output that is asked for over loopback, instead of being read from a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from spire_bridge.helper.loopback_guard import new_secret
from spire_bridge.helper.places import FilePlace, Files

T = TypeVar("T")


class Served(Generic[T]):
    """Holds the newest content, as `read` makes it of the bytes, for a handler to answer with.

    `secret` is what a program has to send; it is written to `authorization` before the first
    content is served, and is another one in every process.
    """

    def __init__(
        self, authorization: FilePlace, read: Callable[[bytes], T], *, allow_shared: bool = False
    ) -> None:
        self.secret = new_secret()
        self.latest: T | None = None
        self._files = Files((authorization,), allow_shared)
        self._read = read

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where a program finds the secret."""
        return self._files.paths

    def put(self, contents: Sequence[bytes]) -> None:
        """Raises `FileFailure` if the secret can't be written."""
        if self.latest is None:
            self._files.put((self.secret.encode(),))
        (content,) = contents
        self.latest = self._read(content)
