"""`serve` as a process: its signals, its reload, what keeps it from starting."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from command_line import Serving, run, serving
from issuer_at_work import until
from loopback_http import ask, line_to
from supervisor import supervisor

from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload


@pytest.fixture
def config(workload: Workload, tmp_path: Path) -> Path:
    file = tmp_path / "issuer.yaml"
    file.write_text(
        f"""\
trust_domain: example.org
issuer:
  url: https://issuer.example.org
  cache_seconds: 300
sources:
  - name: east
    workload_api:
      address: {workload.address}
listen:
  address: 127.0.0.1:0
health:
  address: 127.0.0.1:0
last_good:
  path: {tmp_path}/last-good.json
log:
  format: json
"""
    )
    return file


def change(config: Path, before: str, after: str) -> None:
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))


async def cache_control(at_work: Serving) -> str | None:
    return (await ask(at_work.issuer, "/keys")).headers.get("cache-control")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_time_whatever_clients_do(
    config: Path, number: signal.Signals
) -> None:
    change(config, ":0\n", ":0\n  drain_seconds: 0.5\n")
    async with AsyncExitStack() as stack, serving(config) as at_work:
        for address in (at_work.issuer, at_work.health):
            kept, half, _ = [await stack.enter_async_context(line_to(address)) for _ in range(3)]
            await kept.ask("/keys")
            half.writer.write(b"GET /keys HT")
        await asyncio.sleep(0.1)
        status, seconds = await at_work.service.ends(number)
        assert status == 0, at_work.service.log
        assert 0.5 < seconds < 3  # one listener after the other
        assert [e["message"] for e in at_work.service.log if e["level"] != "info"] == []
        assert at_work.service.log[-1]["message"] == "stopping"
    copy = json.loads(text_of(config.parent / "last-good.json"))
    assert copy["trust_domain"] == "example.org"
    assert not list(hidden_in(config.parent))


def text_of(file: Path) -> str:
    return file.read_text()


def hidden_in(folder: Path) -> Iterator[Path]:
    return folder.glob(".*")


async def test_it_serves_what_the_agent_tells(config: Path, sandbox: SandboxTrustDomain) -> None:
    async with serving(config) as at_work:

        async def keys() -> set[str]:
            answer = await ask(at_work.issuer, "/keys")
            return {key["kid"] for key in answer.json()["keys"]} if answer.status == 200 else set()

        await until(keys, {key.key_id for key in sandbox.jwt.keys})
        sandbox.jwt.prepare()
        await until(keys, {key.key_id for key in sandbox.jwt.keys})
        assert (await ask(at_work.health, "/readyz")).status == 200


async def test_a_reload_takes_what_is_right_and_refuses_what_is_wrong(config: Path) -> None:
    async with serving(config) as at_work:
        await until(lambda: cache_control(at_work), "public, max-age=300")
        service = at_work.service

        change(config, "cache_seconds: 300", "cache_seconds: 60")
        service.process.send_signal(signal.SIGHUP)
        await service.logged("configuration was reloaded")
        assert await cache_control(at_work) == "public, max-age=60"

        refused = "configuration was not reloaded; the old one stays in force"
        change(config, "cache_seconds: 60", "cache_second: 30")
        service.process.send_signal(signal.SIGHUP)
        entry = await service.logged(refused)
        assert (entry["level"], entry["code"]) == ("error", "CONFIG_INVALID")
        assert ":4: issuer.cache_second: unknown setting" in entry["reason"]
        assert entry["hint"].startswith("allowed here: url, urls, path, jwks_uri, cache_seconds, ")

        change(config, "cache_second: 30", "cache_seconds: 2001-99-99")
        service.process.send_signal(signal.SIGHUP)
        assert ":4: YAML's type 'timestamp'" in (await service.logged(refused))["reason"]

        change(config, "cache_seconds: 2001-99-99", "cache_seconds: 30")
        change(config, "issuer.example.org", "other.example.org")
        service.process.send_signal(signal.SIGHUP)
        entry = await service.logged(refused)
        assert entry["reason"] == "a restart is needed to change issuer.url"

        config.unlink()  # noqa: ASYNC240 - a moment
        service.process.send_signal(signal.SIGHUP)
        assert "No such file" in (await service.logged(refused))["reason"]

        assert await cache_control(at_work) == "public, max-age=60"
        assert (await service.ends(signal.SIGTERM))[0] == 0


async def test_a_port_in_use_is_one_line(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        change(config, "listen:\n  address: 127.0.0.1:0", f"listen:\n  address: {taken}")
        ended = await run("serve", "--config", str(config))
    assert (ended.status, ended.error) == (1, "LISTEN_FAILED")
    assert f"can't listen on {taken}: Address already in use\n" in ended.err


async def test_a_second_one_of_ours_is_refused_the_port(config: Path) -> None:
    async with serving(config) as at_work:
        change(config, "health:\n  address: 127.0.0.1:0", f"health:\n  address: {at_work.issuer}")
        ended = await run("serve", "--config", str(config))
        assert ended.status == 1
        assert f"error[LISTEN_FAILED]: can't listen on {at_work.issuer}: " in ended.err
        assert (await ask(at_work.issuer, "/keys")).status == 200


async def test_a_wrong_configuration_is_one_line_and_2(config: Path) -> None:
    change(config, "trust_domain: example.org", "trust_domain: no")
    ended = await run("serve", "--config", str(config))
    assert (ended.status, ended.error) == (2, "CONFIG_INVALID")
    assert ":1: trust_domain: Expected `str`, got `bool`" in ended.err
    ended = await run("serve", "--config", str(config.parent / "absent.yaml"))
    assert (ended.status, ended.error) == (2, "CONFIG_INVALID")


async def test_the_agent_may_come_later(config: Path, workload: Workload) -> None:
    change(config, workload.address, "unix:///nowhere/agent.sock")
    async with serving(config) as at_work:
        answer = await ask(at_work.issuer, "/keys")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        change(config, "unix:///nowhere/agent.sock", workload.address)
        at_work.service.process.send_signal(signal.SIGHUP)
        await until(lambda: cache_control(at_work), "public, max-age=300")


async def test_systemd_is_told_how_the_service_is(config: Path) -> None:
    with supervisor() as systemd:
        async with serving(config, **systemd.variables(watchdog_seconds=0.1)) as at_work:
            ready = await systemd.told("READY=1")
            assert ready["STATUS"] == f"serving at {at_work.issuer}"
            await systemd.told("WATCHDOG=1")
            change(config, "cache_seconds: 300", "cache_seconds: 7")
            at_work.service.process.send_signal(signal.SIGHUP)
            assert int((await systemd.told("RELOADING=1"))["MONOTONIC_USEC"]) > 0
            await systemd.told("READY=1")
            await until(lambda: cache_control(at_work), "public, max-age=7")
            at_work.service.process.send_signal(signal.SIGTERM)
            await systemd.told("STOPPING=1")


async def test_systemd_is_told_that_a_refused_reload_is_over(config: Path) -> None:
    with supervisor() as systemd:
        async with serving(config, **systemd.variables()) as at_work:
            await systemd.told("READY=1")
            change(config, "cache_seconds: 300", "cache_seconds: never")
            at_work.service.process.send_signal(signal.SIGHUP)
            await systemd.told("RELOADING=1")
            await systemd.told("READY=1")
            await until(lambda: cache_control(at_work), "public, max-age=300")
