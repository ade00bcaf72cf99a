"""Folders in which everybody may exchange what is ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spire_bridge.files.errors import FileFailure
from spire_bridge.files.sharing import check_link, check_not_shared

NOBODY = 65534


@pytest.mark.parametrize("mode", [0o777, 0o733, 0o702, 0o2777])
def test_a_folder_open_to_everybody(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(FileFailure, match="may be written by everybody") as caught:
        check_not_shared(tmp_path)
    assert "chmod o-w" in (caught.value.hint or "")


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775, 0o1777, 0o3777])
def test_a_folder_that_is_not(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    check_not_shared(tmp_path)
    check_not_shared(tmp_path / "none")
    check_not_shared(Path("n\0ull"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes links of another user")
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_link_that_another_user_has_put_there(tmp_path: Path, mode: int) -> None:
    link = tmp_path / "link"
    link.symlink_to("/etc/passwd")
    os.lchown(link, NOBODY, NOBODY)
    check_link(link)  # the folder is ours alone
    tmp_path.chmod(mode)
    with pytest.raises(FileFailure, match="another user has put"):
        check_link(link)
    os.chown(tmp_path, NOBODY, NOBODY)
    check_link(link)  # whose the folder is may have links in it


def test_our_own_link_and_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("anywhere")
    (tmp_path / "file").write_bytes(b"")
    tmp_path.chmod(0o1777)
    for path in (tmp_path / "link", tmp_path / "file", tmp_path / "none", Path("n\0ull")):
        check_link(path)
