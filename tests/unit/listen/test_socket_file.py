"""Unix sockets: who may connect from the first moment on, and what is left behind."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from spire_bridge.files.owner import Owner
from spire_bridge.listen import socket_file
from spire_bridge.listen.address import ListenFailure, UnixAddress
from spire_bridge.listen.http import Request, Response
from spire_bridge.listen.server import serving

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "socket"


def hello(request: Request) -> Response:
    return Response(200, (), f"hello {request.peer or 'nobody'}".encode())


def found(path: Path) -> os.stat_result | None:
    """The file itself, no link's target; None if there is none."""
    return path.lstat() if path.exists() else None


def remove(path: Path) -> None:
    path.unlink()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def owner_of(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


async def asked(path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        return (await reader.read()).rpartition(b"\r\n\r\n")[2]
    finally:
        writer.close()


@contextmanager
def rights_of(uid: int) -> Iterator[None]:
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o777])
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_the_mode_is_as_wanted_whatever_the_umask(path: Path, mode: int, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with serving(hello, UnixAddress(path, mode)) as address:
            assert address == UnixAddress(path, mode)
            assert mode_of(path) == mode
            assert await asked(path) == b"hello nobody"
    finally:
        os.umask(before)
    assert found(path) is None


@as_root
@pytest.mark.parametrize(
    ("user", "group", "uid", "gid"),
    [
        ("", "", 0, 0),
        (str(NOBODY), "", NOBODY, 0),
        ("", str(NOBODY), 0, NOBODY),
        (pwd.getpwuid(NOBODY).pw_name, grp.getgrgid(NOBODY).gr_name, NOBODY, NOBODY),
        ("0", "0", 0, 0),
    ],
)
async def test_the_owner_is_as_wanted(
    path: Path, user: str, group: str, uid: int, gid: int
) -> None:
    async with serving(hello, UnixAddress(path, 0o600, user, group)):
        assert owner_of(path) == (uid, gid)
        assert await asked(path) == b"hello nobody"


@pytest.mark.parametrize(
    ("user", "group", "complaint"),
    [
        ("no-such-user", "", "there is no user 'no-such-user'"),
        ("", "no-such-group", "there is no group 'no-such-group'"),
        ("4294967295", "", "there is no user '4294967295'"),
        ("", "9" * 5000, "there is no group '999"),
        ("-1", "", "there is no user '-1'"),
    ],
)
def test_an_owner_that_does_not_exist(path: Path, user: str, group: str, complaint: str) -> None:
    with pytest.raises(ListenFailure, match=f"can't listen on unix:.*: {complaint}"):
        UnixAddress(path, user=user, group=group).bind()
    assert not path.exists()


@as_root
def test_without_the_right_to_give_files_away(path: Path) -> None:
    path.parent.chmod(0o777)
    for ancestor in path.parents:
        if ancestor.stat().st_mode & 0o001 == 0:
            ancestor.chmod(0o711)
    with rights_of(NOBODY), pytest.raises(ListenFailure, match="may not give") as caught:
        UnixAddress(path, user="0").bind()
    assert caught.value.hint is not None
    assert "CAP_CHOWN" in caught.value.hint
    assert not path.exists()


def test_nobody_gets_in_before_the_owner_and_the_mode_are_right(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each step it is closed to others, and to everybody until it listens."""
    seen: list[int] = []
    hand_over, give = socket_file._hand_over, Owner.take

    def look(*arguments: object) -> None:
        seen.append(stat.S_IMODE(path.lstat().st_mode))
        with socket.socket(socket.AF_UNIX) as probe:
            assert probe.connect_ex(str(path)) != 0
        (hand_over if len(seen) == 1 else give)(*arguments)  # type: ignore[operator]

    monkeypatch.setattr(socket_file, "_hand_over", look)
    monkeypatch.setattr(Owner, "take", look)
    before = os.umask(0)
    try:
        listener, _ = UnixAddress(path, 0o666).bind()
    finally:
        os.umask(before)
    with listener:
        assert seen == [0, 0]


async def test_a_stale_socket_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    async with serving(hello, UnixAddress(path)):
        assert await asked(path) == b"hello nobody"


async def test_a_live_socket_is_not_taken(path: Path) -> None:
    async with serving(hello, UnixAddress(path)):
        with pytest.raises(ListenFailure, match="another program listens there"):
            UnixAddress(path).bind()
        assert await asked(path) == b"hello nobody"


def test_a_busy_socket_is_not_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its backlog is full: it doesn't answer, and it doesn't refuse."""
    monkeypatch.setattr(socket_file, "_PROBE_SECONDS", 0.1)
    with BusyListener() as sockets:
        sockets.listener.bind(str(path))
        sockets.listener.listen(0)
        sockets.fill(path)
        with pytest.raises(ListenFailure, match="another program listens there"):
            UnixAddress(path).bind()
        assert path.exists()


class BusyListener:
    """A listener that accepts nothing, and clients that wait for it."""

    def __init__(self) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.clients: list[socket.socket] = []

    def fill(self, path: Path) -> None:
        while True:
            client = socket.socket(socket.AF_UNIX)
            self.clients.append(client)
            client.setblocking(False)
            if client.connect_ex(str(path)) != 0:
                return

    def __enter__(self) -> BusyListener:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self.listener, *self.clients):
            each.close()


@as_root
def test_a_socket_that_may_not_be_spoken_to_is_not_taken(path: Path) -> None:
    path.parent.chmod(0o777)
    for ancestor in path.parents:
        if ancestor.stat().st_mode & 0o001 == 0:
            ancestor.chmod(0o711)
    listener, _ = UnixAddress(path, 0o600).bind()
    with listener:
        with rights_of(NOBODY), pytest.raises(ListenFailure, match="another program listens"):
            UnixAddress(path).bind()
        assert path.exists()


def test_a_file_that_is_no_socket_stays(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ListenFailure, match="there is a file that is no socket"):
        UnixAddress(path).bind()
    assert path.read_text() == "precious"
    path.unlink()
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(ListenFailure, match="there is a file that is no socket"):
        UnixAddress(path).bind()


@pytest.mark.parametrize("folder", ["missing", "a" * 120])
def test_a_path_that_cannot_be(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ListenFailure, match="can't listen on unix:"):
        UnixAddress(tmp_path / folder / "socket").bind()


async def test_the_socket_of_another_process_is_left_alone(path: Path) -> None:
    """Which has taken its place meanwhile: removed the file, and listens itself."""
    async with AsyncExitStack() as other:
        async with serving(hello, UnixAddress(path)):
            remove(path)
            await other.enter_async_context(serving(hello, UnixAddress(path)))
        assert await asked(path) == b"hello nobody"
    assert found(path) is None


async def test_a_socket_that_is_gone_already_is_no_trouble(path: Path) -> None:
    async with serving(hello, UnixAddress(path)):
        remove(path)
