"""What follows a change: the program that uses the outputs, commands, processes signalled."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain

# Tells of each signal in a file, and ends on TERM unless it is stubborn.
PROGRAM = """
import signal, sys, pathlib
told = pathlib.Path(sys.argv[1])
files = [pathlib.Path(name) for name in sys.argv[3:]]

def tell(text):
    with told.open("a") as file:
        file.write(text + "\\n")

def hear(number, _):
    tell(signal.Signals(number).name)
    if number == signal.SIGTERM and sys.argv[2] != "stubborn":
        sys.exit(7)
    if number == signal.SIGUSR2:
        sys.exit(3)

for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
    signal.signal(number, hear)
tell("started with " + " ".join(str(file.stat().st_size > 0) for file in files))
while True:
    signal.pause()
"""


def keys(path: Path, **more: Any) -> dict[str, Any]:
    return {"name": "keys", "jwt_bundles": {}, "path": str(path), **more}


def token(path: Path, **more: Any) -> dict[str, Any]:
    return {"name": "token", "jwt": {"audience": ["sts"]}, "path": str(path), **more}


@pytest.fixture
def told(tmp_path: Path) -> Path:
    path = tmp_path / "told"
    path.touch()
    return path


def program(told: Path, *files: Path, kind: str = "", **more: Any) -> dict[str, Any]:
    command = [sys.executable, "-c", PROGRAM, str(told), kind, *map(str, files)]
    return {"program": {"command": command, **more}}


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


async def test_it_is_started_once_all_is_there_and_told_of_changes(
    configure: Any, start: Any, out: Path, told: Path, cluster: Cluster, sandbox: SandboxTrustDomain
) -> None:
    late = await cluster.add_workload("late")
    files = (out / "token", out / "keys")
    config = configure(
        token(files[0]), keys(files[1]), address=late.address, **program(told, *files, signal="HUP")
    )
    helper = await start(config)
    await helper.until(lambda: len(helper.logged("output was not renewed")) >= 2)
    assert lines(told) == []
    late.register(Entry("spiffe://example.org/late"))
    await helper.until(lambda: lines(told), "the start")
    sandbox.jwt.prepare()
    await helper.until(lambda: len(lines(told)) >= 2, "the signal")
    assert lines(told) == ["started with True True", "SIGHUP"]
    helper.send(signal.SIGUSR1)
    await helper.until(lambda: len(lines(told)) >= 3)
    assert lines(told)[-1] == "SIGUSR1"
    assert await helper.ends(signal.SIGTERM) == 0
    assert lines(told)[3:] == ["SIGTERM"]


async def test_its_status_is_the_helpers(configure: Any, start: Any, out: Path, told: Path) -> None:
    helper = await start(configure(token(out / "token"), **program(told)))
    await helper.until(lambda: lines(told))
    helper.send(signal.SIGUSR2)
    assert await helper.ends() == 3
    assert (out / "token").exists()


async def test_a_program_that_is_killed(configure: Any, start: Any, out: Path) -> None:
    command = ["/bin/sh", "-c", "kill -9 $$"]
    helper = await start(configure(token(out / "token"), program={"command": command}))
    assert await helper.ends() == 128 + 9


@pytest.mark.parametrize("command", ["/no/such/program", "/etc/passwd"])
async def test_a_program_that_is_none(configure: Any, start: Any, out: Path, command: str) -> None:
    helper = await start(configure(token(out / "token"), program={"command": [command]}))
    assert await helper.ends() == 1
    assert "error[FOLLOW_UP_FAILED]" in (helper.said / "err").read_text()


async def test_it_is_started_again(configure: Any, start: Any, out: Path, told: Path) -> None:
    config = configure(token(out / "token"), **program(told, restart="on-exit"))
    helper = await start(config)
    await helper.until(lambda: len(lines(told)) == 1)
    helper.send(signal.SIGUSR2)
    await helper.until(lambda: len(lines(told)) == 3, "the second start")
    assert lines(told) == ["started with ", "SIGUSR2", "started with "]
    assert await helper.ends(signal.SIGTERM) == 0
    assert lines(told)[3:] == ["SIGTERM"]


async def test_who_ignores_the_end_is_killed(
    configure: Any, start: Any, out: Path, told: Path
) -> None:
    stubborn = program(told, kind="stubborn", stop_seconds=0.3)
    helper = await start(configure(token(out / "token"), **stubborn))
    await helper.until(lambda: lines(told))
    pid = helper.logged("program started")[0]["pid"]
    assert await helper.ends(signal.SIGTERM) == 0
    assert helper.logged("program did not end and was killed")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_it_is_told_of_some_outputs_alone(
    configure: Any, start: Any, out: Path, told: Path, sandbox: SandboxTrustDomain
) -> None:
    quiet = program(told, signal="HUP", signal_for=["token"])
    helper = await start(configure(token(out / "token"), keys(out / "keys"), **quiet))
    await helper.until(lambda: lines(told))
    sandbox.jwt.prepare()
    await helper.until_logged("output written", 3)
    assert lines(told) == ["started with "]


async def test_commands_follow_changes_and_fail_no_output(
    configure: Any, start: Any, out: Path, tmp_path: Path, sandbox: SandboxTrustDomain
) -> None:
    copy = tmp_path / "copy"
    run = ["/bin/sh", "-c", f"cat {out}/keys >> {copy}; echo said; exit 5"]
    outputs = (
        keys(out / "keys", after={"run": run}),
        token(out / "token", after={"run": ["/no/such/program"]}),
        {**token(out / "slow"), "name": "slow", "after": {"run": ["sleep", "60"]}},
    )
    outputs[2]["after"]["timeout_seconds"] = 0.2
    helper = await start(configure(*outputs))
    await helper.until_logged("what follows a change failed", 3)
    reasons = {e["output"]: e["reason"] for e in helper.logged("what follows a change failed")}
    assert reasons == {
        "keys": "/bin/sh ended with status 5",
        "token": "/no/such/program can't be run: No such file or directory",
        "slow": "sleep did not end within 0.2 s and was killed",
    }
    for name in reasons:
        assert await helper.condition(name) == "fresh"
    assert copy.read_bytes() == (out / "keys").read_bytes()
    sandbox.jwt.prepare()
    await helper.until_logged("what follows a change failed", 4)
    assert copy.read_bytes().endswith((out / "keys").read_bytes())
    assert (helper.said / "out").read_text() == "said\nsaid\n"


async def test_a_process_whose_number_a_file_holds(
    configure: Any, start: Any, out: Path, tmp_path: Path, told: Path
) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text("garbage")
    after = {"signal": {"pid_file": str(pid_file), "signal": "USR1"}}
    told_of = program(told)["program"]["command"]
    helper = await start(configure(token(out / "token", after=after), program={"command": told_of}))
    await helper.until(lambda: lines(told))
    pid_file.write_text(f"{helper.logged('program started')[0]['pid']}\n")
    await helper.until(lambda: len(lines(told)) == 2, "the signal")
    assert lines(told)[1] == "SIGUSR1"
