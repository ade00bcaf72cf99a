"""`helper -config helper.conf` as a process, over the sandbox."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from command_line import PATIENCE_SECONDS, PROGRAM, environment, run
from secrets_sought import SecretsSought
from spiffe_helpers.configurations import BUNDLE, X509, written
from spiffe_helpers.programs import RECORDER

from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload

TOKEN = {
    "jwt_svids": [
        {"jwt_audience": "a", "jwt_extra_audiences": ["b"], "jwt_svid_file_name": "token"}
    ]
}


def configured(folder: Path, workload: Workload, out: Path, **options: object) -> Path:
    file = folder / "helper.conf"
    file.write_text(written({"agent_address": workload.address, "cert_dir": str(out), **options}))
    return file


async def test_one_shot_writes_the_files(
    tmp_path: Path, workload: Workload, out: Path, sought: SecretsSought
) -> None:
    file = configured(tmp_path, workload, out, **X509, **BUNDLE, **TOKEN)
    ended = await run("helper", "-config", str(file), "-daemon-mode=false")
    assert (ended.status, ended.out) == (0, "")
    assert set(os.listdir(out)) == {*X509.values(), *BUNDLE.values(), "token"}  # noqa: PTH208
    part = (out / "token").read_text().split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(part + "=="))["aud"] == ["a", "b"]
    assert (out / "key.pem").stat().st_mode & 0o777 == 0o600
    sought.check(ended.err)


async def test_a_file_that_is_refused(tmp_path: Path, workload: Workload, out: Path) -> None:
    file = configured(tmp_path, workload, out, **X509, pid_file_name="/p")
    ended = await run("helper", "-config", str(file))
    assert (ended.status, ended.error) == (1, "CONFIG_INVALID")
    assert "must specify renew_signal when using pid_file_name" in ended.err


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.02)


async def test_the_daemon_starts_and_signals(
    tmp_path: Path, workload: Workload, out: Path, sandbox: SandboxTrustDomain
) -> None:
    program, pid_file = tmp_path / "program.py", tmp_path / "pid"
    program.write_text(RECORDER)
    records = [tmp_path / "started", tmp_path / "signalled"]

    def told(record: Path) -> list[object]:
        return [json.loads(x) for x in record.read_text().splitlines()] if record.exists() else []

    command = (sys.executable, str(program))
    other = await asyncio.create_subprocess_exec(*command, env=environment(RECORD=str(records[1])))
    pid_file.write_text(str(other.pid))
    options = {"cmd": sys.executable, "cmd_args": f'{program} "a b"', "renew_signal": "SIGUSR1"}
    file = configured(tmp_path, workload, out, **X509, **options, pid_file_name=str(pid_file))
    helper = None
    try:
        await eventually(lambda: told(records[1]))
        helper = await asyncio.create_subprocess_exec(
            *PROGRAM,
            "helper",
            "-config",
            str(file),
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(RECORD=str(records[0])),
        )
        await eventually(lambda: told(records[0]) == [["a b"]])
        sandbox.x509.prepare()
        await eventually(lambda: told(records[0]) == [["a b"], "SIGUSR1"])
        await eventually(lambda: "SIGUSR1" in told(records[1]))
        helper.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await helper.wait() == 0
    finally:
        for process in filter(None, (helper, other)):
            if process.returncode is None:
                process.kill()
                await process.wait()
