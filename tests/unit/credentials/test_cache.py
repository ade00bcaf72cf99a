"""Answers on disk: one call for a burst of processes, and nothing from what others could write."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import environment
from issuer_at_work import Clock

from spire_bridge.credentials.cache import AnswerCache, Kept
from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure

KEY = {"role": "arn:aws:iam::123456789012:role/r"}
NOBODY = 65534
NOW = int(time.time())


class Endpoint:
    """Gives answers that last an hour; fails while `failing`."""

    def __init__(self, clock: Clock) -> None:
        self.calls = 0
        self.failing = False
        self._clock = clock

    def __call__(self) -> Kept:
        self.calls += 1
        if self.failing:
            raise BridgeError("throttled")
        return Kept(f"secret {self.calls}", int(self._clock()) + 3600)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def endpoint(clock: Clock) -> Endpoint:
    return Endpoint(clock)


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> AnswerCache:
    return AnswerCache(str(tmp_path / "a" / "cache"), wait_seconds=0.2, clock=clock)


def get(cache: AnswerCache, endpoint: Endpoint, key: dict[str, str] = KEY) -> str:
    return cache.get(key, endpoint, renew_seconds=300).content


def lock_of(answer: Path) -> Path:
    return answer.with_suffix(".lock")


def folder_of(cache: AnswerCache) -> Path:
    return Path(cache.folder)


def answer_files(cache: AnswerCache) -> list[Path]:
    return sorted(folder_of(cache).glob("*.json"))


def test_an_answer_is_kept(cache: AnswerCache, endpoint: Endpoint) -> None:
    assert [get(cache, endpoint) for _ in range(3)] == ["secret 1"] * 3
    (file,) = answer_files(cache)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder_of(cache).stat().st_mode) == 0o700
    assert "arn" not in file.name
    assert "secret" not in repr(Kept("secret", 1))


def test_each_question_has_its_own(cache: AnswerCache, endpoint: Endpoint) -> None:
    keys = [{"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"c": "", "a": "b"}]
    assert [get(cache, endpoint, key) for key in keys] == [
        "secret 1",
        "secret 2",
        "secret 3",
        "secret 3",
    ]


def test_it_is_renewed_before_its_end(cache: AnswerCache, endpoint: Endpoint, clock: Clock) -> None:
    get(cache, endpoint)
    clock.ahead = 3200
    assert get(cache, endpoint) == "secret 1"
    clock.ahead = 3301
    assert get(cache, endpoint) == "secret 2"


def test_a_failed_renewal_leaves_what_is_still_valid(
    cache: AnswerCache, endpoint: Endpoint, clock: Clock
) -> None:
    get(cache, endpoint)
    endpoint.failing = True
    clock.ahead = 3500
    assert get(cache, endpoint) == "secret 1"
    clock.ahead = 3601
    with pytest.raises(BridgeError, match="throttled"):
        get(cache, endpoint)


GOOD = {"version": 2, "key": KEY, "kept_at": NOW - 60, "expires_at": NOW + 3000, "content": "kept"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        json.dumps(GOOD | {"version": 1}).encode(),
        json.dumps(GOOD | {"key": {"role": "another"}}).encode(),
        json.dumps(GOOD | {"key": None}).encode(),
        json.dumps(GOOD | {"content": 1}).encode(),
        json.dumps(GOOD | {"expires_at": "soon"}).encode(),
        json.dumps(GOOD | {"expires_at": NOW - 1}).encode(),
        json.dumps({"version": 2}).encode(),
        json.dumps(GOOD | {"content": "x" * 300_000}).encode(),
    ],
)
def test_what_is_no_answer_is_asked_again(
    cache: AnswerCache, endpoint: Endpoint, content: bytes
) -> None:
    get(cache, endpoint)
    (file,) = answer_files(cache)
    file.write_bytes(json.dumps(GOOD).encode())
    assert get(cache, endpoint) == "kept"
    file.write_bytes(content)
    assert get(cache, endpoint) == "secret 2"
    assert get(cache, endpoint) == "secret 2"


def test_a_pipe_in_its_place_does_not_hold_anybody_up(
    cache: AnswerCache, endpoint: Endpoint
) -> None:
    get(cache, endpoint)
    (file,) = answer_files(cache)
    file.unlink()
    os.mkfifo(file)
    assert get(cache, endpoint) == "secret 2"
    assert file.is_file()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o1777])
def test_a_folder_that_others_can_write_to(
    cache: AnswerCache, endpoint: Endpoint, mode: int
) -> None:
    folder_of(cache).mkdir(parents=True)
    folder_of(cache).chmod(mode)
    with pytest.raises(FileFailure, match="may be written by others"):
        get(cache, endpoint)
    assert endpoint.calls == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_another_user(cache: AnswerCache, endpoint: Endpoint) -> None:
    folder_of(cache).mkdir(parents=True, mode=0o700)
    os.chown(cache.folder, NOBODY, NOBODY)
    with pytest.raises(FileFailure, match="may be written by others"):
        get(cache, endpoint)
    assert endpoint.calls == 0


def test_a_file_in_the_folders_place(cache: AnswerCache, endpoint: Endpoint) -> None:
    folder_of(cache).parent.write_bytes(b"")
    with pytest.raises(FileFailure, match="can't be used"):
        get(cache, endpoint)


def test_an_answer_that_cannot_be_kept_is_as_good(
    cache: AnswerCache, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise FileFailure("no space left")

    monkeypatch.setattr("spire_bridge.files.atomic.write_atomically", full)
    assert [get(cache, endpoint) for _ in range(2)] == ["secret 1", "secret 2"]


@contextmanager
def lock_held(cache: AnswerCache) -> Iterator[None]:
    (file,) = answer_files(cache)
    with lock_of(file).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_holder_that_hangs_is_not_waited_for_longer(
    cache: AnswerCache, endpoint: Endpoint, clock: Clock
) -> None:
    get(cache, endpoint)
    clock.ahead = 3400
    with lock_held(cache):
        started = time.monotonic()
        assert get(cache, endpoint) == "secret 2"
        assert 0.2 <= time.monotonic() - started < 2
        started = time.monotonic()
        assert get(cache, endpoint) == "secret 2"  # kept meanwhile: no lock is needed
        assert time.monotonic() - started < 0.2


def test_a_link_in_the_locks_place_is_not_followed(
    cache: AnswerCache, endpoint: Endpoint, tmp_path: Path
) -> None:
    get(cache, endpoint)
    (file,) = answer_files(cache)
    file.unlink()
    lock_of(file).unlink()
    lock_of(file).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileFailure, match="can't be locked"):
        get(cache, endpoint)
    assert not (tmp_path / "elsewhere").exists()


BURST = """
import os, sys, time
from spire_bridge.credentials.cache import AnswerCache, Kept

def obtain():
    with open(sys.argv[2], "a") as calls:
        calls.write("called\\n")
    time.sleep(0.1)  # an endpoint takes its time, and the others are here meanwhile
    return Kept("secret", int(time.time()) + 3600)

cache = AnswerCache(sys.argv[1], wait_seconds=20)
assert cache.get({"role": "r"}, obtain, renew_seconds=300).content == "secret"
"""


def test_a_burst_of_processes_makes_one_call(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    command = [sys.executable, "-c", BURST, str(tmp_path / "cache"), str(calls)]
    processes = [subprocess.Popen(command, env=environment()) for _ in range(20)]
    assert [process.wait(20) for process in processes] == [0] * 20
    assert calls.read_text() == "called\n"


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"XDG_CACHE_HOME": "/x/y"}, "/x/y/spire-bridge"),
        ({"XDG_CACHE_HOME": "relative"}, "~/.cache/spire-bridge"),
        ({}, "~/.cache/spire-bridge"),
    ],
)
def test_the_users_own_folder(variables: dict[str, str], folder: str) -> None:
    cache = AnswerCache.of_user(variables, wait_seconds=1)
    assert Path(cache.folder) == Path(folder).expanduser()


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(FileFailure, match="no home"):
        AnswerCache.of_user({}, wait_seconds=1)


def test_two_questions_whose_files_have_one_name_are_told_apart(
    cache: AnswerCache, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spire_bridge.credentials.cache.crc32", lambda _: 0)
    asked = [{"a": "1"}, {"a": "1"}, {"a": "2"}, {"a": "2"}, {"a": "1"}]
    answers = [get(cache, endpoint, key) for key in asked]
    assert answers == [f"secret {n}" for n in (1, 1, 2, 2, 3)]
    assert len(answer_files(cache)) == 1
