"""Where an output's bytes go."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from spire_bridge.files.atomic import NewFile, link_target, replace_together
from spire_bridge.files.owner import Owner
from spire_bridge.files.sharing import check_link, check_not_shared
from spire_bridge.files.switched_folder import switch_folder


class Place(Protocol):
    """Takes an edition's contents, in the order of its own files."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where readers find them; none for what is not on disk."""
        ...

    def put(self, contents: Sequence[bytes]) -> None:
        """Blocks until they are there. Raises `FileFailure`."""
        ...


@dataclass(frozen=True, slots=True)
class FilePlace:
    """One file: its path, its mode whatever the umask, its owner."""

    path: Path
    mode: int = 0o600
    owner: Owner = Owner()  # noqa: RUF009 - a frozen value

    def holding(self, data: bytes) -> NewFile:
        return NewFile(self.path, data, self.mode, self.owner)


@dataclass(frozen=True, slots=True)
class Files:
    """Files wherever they are. Those that belong together are replaced in this order.

    Symbolic links stay: what they lead to is replaced. Folders that everybody may write to
    are refused, unless `allow_shared`.
    """

    files: tuple[FilePlace, ...]
    allow_shared: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files)

    def put(self, contents: Sequence[bytes]) -> None:
        new = [file.holding(data) for file, data in zip(self.files, contents, strict=True)]
        replace_together([replace(file, path=self._target(file.path)) for file in new])

    def _target(self, path: Path) -> Path:
        check_link(path)
        target = link_target(path)
        if not self.allow_shared:
            check_not_shared(path.parent)
            check_not_shared(target.parent)
        return target


class Folder:
    """A folder that is switched as one, for all outputs that put files into it."""

    def __init__(
        self,
        path: Path,
        *,
        mode: int = 0o755,
        owner: Owner = Owner(),  # noqa: B008 - a frozen value
        allow_shared: bool = False,
    ) -> None:
        self.path = path
        self._mode = mode
        self._owner = owner
        self._allow_shared = allow_shared
        self._names: set[str] = set()
        self._files: dict[str, NewFile] = {}
        self._one_at_a_time = threading.Lock()

    def expect(self, names: Iterable[str]) -> None:
        """Files of these names stay as a process before this one left them, until they are put."""
        self._names.update(names)

    def put(self, files: Sequence[NewFile]) -> None:
        """Switches to these files beside those of other outputs. Raises `FileFailure`."""
        with self._one_at_a_time:
            if not self._allow_shared:
                check_not_shared(self.path)
            together = {**self._files, **{str(file.path): file for file in files}}
            switch_folder(self.path, together, kept=self._names, mode=self._mode, owner=self._owner)
            self._files = together


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """One output's files in a `Folder`, by plain names."""

    folder: Folder
    files: tuple[FilePlace, ...]

    def __post_init__(self) -> None:
        self.folder.expect(str(file.path) for file in self.files)

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self.folder.path / file.path for file in self.files)

    def put(self, contents: Sequence[bytes]) -> None:
        self.folder.put(
            [file.holding(data) for file, data in zip(self.files, contents, strict=True)]
        )
