"""A folder whose files change together, as the kubelet's do: `..data` leads to all of them.

    tls.crt -> ..data/tls.crt
    tls.key -> ..data/tls.key
    ..data  -> ..2026-11-26T10.20.30Z-4f1c
    ..2026-11-26T10.20.30Z-4f1c/{tls.crt,tls.key}

One rename of `..data` switches from the old files to the new. Who opens `..data` first, or the
folder behind it, reads files of one time; who opens two names one after the other should
compare what `..data` leads to before and after.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from spire_bridge.files.atomic import NewFile, replace_together, sync_folder
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.owner import Owner

DATA = "..data"
_NEXT_DATA = "..data_next"
_HIDDEN = ".."  # how the names begin that are not the operator's


def switch_folder(
    folder: Path,
    files: Mapping[str, NewFile],
    *,
    kept: Iterable[str] = (),
    mode: int = 0o755,
    owner: Owner | None = None,
) -> None:
    """Has `folder` hold `files`, by name, and of those that it held before the `kept` ones.

    The paths in `files` are not looked at. The folder is made, with `mode` and `owner`, if
    it is not there; its parent must be. What a process left behind that was killed on the
    way is removed. Raises `FileFailure`.
    """
    if not files or any(_is_no_name(name) for name in files):
        raise FileFailure(f"{folder} can't hold these: a file's name is plain, without a slash")
    made = f"{_HIDDEN}{time.strftime('%Y-%m-%dT%H.%M.%SZ', time.gmtime())}-{secrets.token_hex(2)}"
    try:
        _make(folder, mode, owner)
        inside = folder / made
        inside.mkdir(mode=0o700)
        try:
            inside.chmod(0o700)  # whatever the umask
            replace_together([replace(file, path=inside / name) for name, file in files.items()])
            names = {*files, *_keep(folder, inside, set(kept) - files.keys())}
            _give(inside, mode, owner)
            _point(folder, DATA, made)
        except BaseException:
            shutil.rmtree(inside, ignore_errors=True)
            raise
        for name in names:
            if not _leads_to_data(folder / name):
                _point(folder, name, f"{DATA}/{name}")
        _remove_what_is_left(folder, made, names)
        sync_folder(folder)
    except OSError as error:
        raise FileFailure(
            f"{folder} can't be switched: {error.strerror}",
            hint="check that it is a folder that this user may write to, on a disk with room",
        ) from None


def _is_no_name(name: str) -> bool:
    return not name or "/" in name or "\0" in name or name == "." or name.startswith(_HIDDEN)


def _make(folder: Path, mode: int, owner: Owner | None) -> None:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _give(folder, mode, owner)


def _give(folder: Path, mode: int, owner: Owner | None) -> None:
    if owner is not None:
        owner.take(folder)
    folder.chmod(mode)


def _keep(folder: Path, inside: Path, names: Iterable[str]) -> Iterator[str]:
    """Takes the files of these names over as they are; those that can't be are none of ours."""
    for name in names:
        with suppress(OSError):
            (inside / name).hardlink_to(folder / DATA / name)
            yield name


def _point(folder: Path, name: str, target: str) -> None:
    """Has the link `name` lead to `target` from one moment to the next."""
    temporary = folder / _NEXT_DATA
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(folder / name)


def _leads_to_data(path: Path) -> bool:
    with suppress(OSError):
        return os.readlink(path) == f"{DATA}/{path.name}"  # noqa: PTH115 - as it is written
    return False


def _remove_what_is_left(folder: Path, made: str, names: Iterable[str]) -> None:
    wanted = {made, DATA, *names}
    for path in folder.iterdir():
        if path.name in wanted:
            continue
        if path.name.startswith(_HIDDEN) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name == _NEXT_DATA or _leads_to_data(path):
            path.unlink()
