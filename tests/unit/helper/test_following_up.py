"""Commands, pid files and programs, as what follows a change."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from spire_bridge.helper.follow_up import FollowUpFailed, RunCommand, SignalPidFile
from spire_bridge.helper.program import Program, ProgramPlan, Restart


async def test_a_command_that_succeeds_and_one_that_fails(tmp_path: Path) -> None:
    await RunCommand(("/bin/sh", "-c", f"echo done > {tmp_path}/said"))()
    assert (tmp_path / "said").read_text() == "done\n"
    with pytest.raises(FollowUpFailed, match="/bin/sh ended with status 3"):
        await RunCommand(("/bin/sh", "-c", "exit 3"))()


async def test_a_command_reads_nothing_of_ours() -> None:
    await RunCommand(("/bin/sh", "-c", 'test -z "$(cat)"'), timeout_seconds=5)()


async def test_no_shell_is_asked(tmp_path: Path) -> None:
    await RunCommand(("/bin/echo", f"; touch {tmp_path}/made"))()
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("command", [("/no/such",), ("/etc/passwd",), ("n\0ull",)])
async def test_commands_that_are_none(command: tuple[str, ...]) -> None:
    with pytest.raises(FollowUpFailed, match="can't be run"):
        await RunCommand(command)()


async def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command = f"trap '' TERM; echo $$ > {pid_file}; exec sleep 60"
    slow = RunCommand(("/bin/sh", "-c", command), timeout_seconds=0.3)
    with pytest.raises(FollowUpFailed, match=r"did not end within 0\.3 s and was killed"):
        await slow()
    assert is_gone(int(pid_file.read_text()))


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The signals that would have been sent."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


@pytest.mark.parametrize("content", ["4711", "4711\n", "  4711 \n"])
async def test_a_pid_file(tmp_path: Path, heard: list[tuple[int, int]], content: str) -> None:
    (tmp_path / "pid").write_text(content)
    await SignalPidFile(tmp_path / "pid", signal.SIGHUP)()
    assert heard == [(4711, signal.SIGHUP)]


@pytest.mark.parametrize(
    "content", ["", "0", "-1", "-4711", "x", "4711 4712", "4_711", "\u0661", "1" * 65, "0x1"]
)
async def test_a_pid_file_that_holds_none(
    tmp_path: Path, heard: list[tuple[int, int]], content: str
) -> None:
    """Nothing is sent: 0 and below would be whole groups of processes."""
    (tmp_path / "pid").write_text(content)
    with pytest.raises(FollowUpFailed):
        await SignalPidFile(tmp_path / "pid", signal.SIGHUP, attempts=1)()
    assert heard == []


async def test_a_number_that_no_process_has(tmp_path: Path) -> None:
    for number in ("4194304", "9" * 30):
        (tmp_path / "pid").write_text(number)
        with pytest.raises(FollowUpFailed, match="can't be signalled"):
            await SignalPidFile(tmp_path / "pid", signal.SIGHUP, attempts=1)()


async def test_a_pid_file_that_is_no_file(tmp_path: Path, heard: list[tuple[int, int]]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "none"):
        with pytest.raises(FollowUpFailed, match="can't be signalled"):
            await SignalPidFile(path, signal.SIGHUP, attempts=1)()
    assert heard == []


async def test_a_pid_file_that_comes_later(tmp_path: Path, heard: list[tuple[int, int]]) -> None:
    signalling = asyncio.create_task(SignalPidFile(tmp_path / "pid", signal.SIGUSR1)())
    await asyncio.sleep(0)
    (tmp_path / "pid").write_text("4711")
    await signalling
    assert heard == [(4711, signal.SIGUSR1)]


def sleeping(**more: object) -> ProgramPlan:
    return ProgramPlan((sys.executable, "-c", "import signal; signal.pause()"), **more)  # type: ignore[arg-type]


async def test_it_is_not_started_before_it_may() -> None:
    may = False
    program = Program(sleeping(), lambda: may)
    await program()
    await program.start()
    assert await program.stop() is None
    may = True
    await program()
    assert program._process is None  # nor after the end has begun


async def test_a_start_that_is_under_way_does_not_outlive_the_end() -> None:
    """A SIGTERM may come while the program is being started."""
    program = Program(sleeping())
    starting = asyncio.create_task(program())
    await asyncio.sleep(0)
    assert program._process is None
    assert await program.stop() == 128 + signal.SIGTERM
    await starting
    assert program._process is not None
    assert is_gone(program._process.pid)


async def test_it_ends_by_the_signal_that_ends_the_helper() -> None:
    program = Program(sleeping())
    await program()
    assert await program.stop(signal.SIGINT) in {1, 128 + signal.SIGINT}


async def test_an_end_during_the_pause_before_another_start() -> None:
    program = Program(ProgramPlan(("/bin/true",), restart=Restart.ON_EXIT))
    await program()
    assert program._process is not None
    await program._process.wait()
    first = program._process
    assert await program.stop() == 0
    assert program._process is first
    assert not program.ended.done()


async def test_a_change_starts_it_again_in_the_drop_ins_way() -> None:
    program = Program(ProgramPlan(("/bin/false",), restart=Restart.ON_CHANGE))
    await program()
    first = program._process
    assert first is not None
    await first.wait()
    await asyncio.sleep(0)
    assert not program.ended.done()
    await program()
    assert program._process is not first
    await program.stop()


async def test_a_program_that_is_the_main_thing_and_is_none() -> None:
    program = Program(ProgramPlan(("/no/such",)))
    with pytest.raises(FollowUpFailed):
        await program()
    with pytest.raises(FollowUpFailed):
        await program.ended
