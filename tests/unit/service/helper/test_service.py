"""The helper's service in this process: reloads, status, metrics, what a killed one left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from helper_in_process import helper_settings, helping_here
from secrets_sought import SecretsSought

from spire_bridge.config.yaml import InvalidConfig
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload


def token(folder: Path, name: str, audience: str = "sts") -> dict[str, Any]:
    return {"name": name, "jwt": {"audience": [audience]}, "path": str(folder / name)}


async def test_reloads_that_come_together(workload: Workload, tmp_path: Path) -> None:
    names = [f"o{n}" for n in range(5)]

    def settings(audience: str) -> Any:
        return helper_settings(workload.address, *(token(tmp_path, n, audience) for n in names))

    async with helping_here(settings("first")) as helper:
        await helper.until(lambda: all(state.writes for state in helper.states))
        await asyncio.gather(*(helper.service.reload(settings(a)) for a in "abcdefgh"))
        await helper.until(lambda: all(state.writes for state in helper.states))
        wanted = set(settings("h").outputs)
        assert set(helper.service._built) == wanted
        assert len(helper.service._engine._tasks) == 5
        running = [t for t in asyncio.all_tasks() if t.get_name().startswith("output ")]
        assert len(running) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"allow_shared_folders": True},
        {"program": {"command": ["/bin/true"]}},
        {"health": {"address": "127.0.0.1:0"}},
        {"log": {"level": "debug"}},
        {"folders": [{"path": "/run/f"}]},
        {"workload_api": {"timeout_seconds": 1}},
    ],
)
async def test_what_takes_a_restart(
    workload: Workload, tmp_path: Path, change: dict[str, Any]
) -> None:
    async with helping_here(helper_settings(workload.address, token(tmp_path, "t"))) as helper:
        before = helper.service._built
        address = (
            {"workload_api": {"address": workload.address}} if "workload_api" not in change else {}
        )
        with pytest.raises(
            InvalidConfig, match=f"a restart is needed to change {next(iter(change))}"
        ):
            await helper.service.reload(
                helper_settings(workload.address, token(tmp_path, "other"), **(address | change))
            )
        assert helper.service._built is before


async def test_status_and_metrics(
    sandbox: SandboxTrustDomain, workload: Workload, tmp_path: Path
) -> None:
    sought = SecretsSought()
    sought.follow(sandbox)
    outputs = [token(tmp_path, "good"), token(tmp_path / "no", "bad")]
    async with helping_here(helper_settings(workload.address, *outputs)) as helper:
        await helper.until(lambda: helper.state("good").writes and helper.state("bad").failures)
        status = helper.service.status()
        assert status["ready"] is False
        good, bad = status["outputs"]
        assert (good["condition"], good["ready"], good["error"]) == ("fresh", True, None)
        assert good["paths"] == [str(tmp_path / "good")]
        assert good["expires_at"] > status["now"] > good["written_at"] - 1
        assert (bad["condition"], bad["ready"]) == ("absent", False)
        assert bad["error"]["code"] == "FILE_FAILED"
        metrics = helper.service.exposition().decode()
        for line in (
            'spire_bridge_output_ready{output="good"} 1.0',
            'spire_bridge_output_ready{output="bad"} 0.0',
            'spire_bridge_output_failing{output="bad"} 1.0',
            'spire_bridge_output_writes_total{output="good"} 1.0',
            'spire_bridge_reloads_total{result="refused"} 0.0',
        ):
            assert line in metrics
        assert 'written_timestamp_seconds{output="bad"}' not in metrics
        assert helper.service.summary == "1 of 2 outputs fresh, 1 absent"
        sought.check(metrics, str(status), repr(helper.states), helper.service.summary)


async def test_what_a_killed_helper_left_is_removed(workload: Workload, tmp_path: Path) -> None:
    (tmp_path / ".t.0123456789abcdef").write_bytes(b"half a token")
    (tmp_path / ".other.0123456789abcdef").write_bytes(b"another program's")
    async with helping_here(helper_settings(workload.address, token(tmp_path, "t"))) as helper:
        await helper.until(lambda: helper.state("t").writes)
        assert {path.name for path in list_of(tmp_path)} == {"t", ".other.0123456789abcdef"}


def list_of(folder: Path) -> list[Path]:
    return list(folder.iterdir())
