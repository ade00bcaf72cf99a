"""The helper as a service: another configuration by SIGHUP, and what systemd hears of it."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from spire_bridge.sandbox.cluster import Cluster
from spire_bridge.sandbox.entry import Entry


def token(path: Path, name: str = "token", **more: Any) -> dict[str, Any]:
    return {"name": name, "jwt": {"audience": [name]}, "path": str(path), **more}


async def test_another_configuration(configure: Any, start: Any, out: Path) -> None:
    config = configure(token(out / "a", "a"), token(out / "b", "b"))
    helper = await start(config)
    await helper.until_logged("all outputs are written")
    inode = (out / "a").stat().st_ino
    config.outputs = [token(out / "a", "a"), token(out / "c", "c")]
    config.write()
    helper.send(signal.SIGHUP)
    await helper.until_condition("c", "fresh")
    assert (out / "a").stat().st_ino == inode
    assert (out / "b").exists()  # a file that was good stays
    status = (await helper.ask("/status")).json()
    assert [output["name"] for output in status["outputs"]] == ["a", "c"]
    config.outputs = [token(out / "a", "a", mode="0640")]
    config.write()
    helper.send(signal.SIGHUP)
    await helper.until(lambda: (out / "a").stat().st_mode & 0o777 == 0o640)
    metrics = (await helper.ask("/metrics")).body.decode()
    assert 'spire_bridge_reloads_total{result="accepted"} 2' in metrics


@pytest.mark.parametrize("what", ["broken", "unknown", "owner", "fixed", "gone"])
async def test_a_configuration_that_is_refused(
    configure: Any, start: Any, out: Path, what: str
) -> None:
    config = configure(token(out / "a", "a"))
    helper = await start(config)
    await helper.until_logged("all outputs are written")
    match what:
        case "broken":
            config.file.write_text("outputs: [")
        case "unknown":
            config.others["surprise"] = 1
            config.write()
        case "owner":
            config.outputs = [token(out / "b", "b", user="nobody-of-this-name")]
            config.write()
        case "fixed":
            config.address = "unix:///elsewhere.sock"
            config.write()
        case "gone":
            config.file.unlink()
    helper.send(signal.SIGHUP)
    entry = await helper.until_logged("configuration was not reloaded; the old one stays in force")
    assert entry["code"] == ("OWNER_UNKNOWN" if what == "owner" else "CONFIG_INVALID")
    assert await helper.condition("a") == "fresh"
    metrics = (await helper.ask("/metrics")).body.decode()
    assert 'spire_bridge_reloads_total{result="refused"} 1' in metrics


async def test_many_reloads_at_once(configure: Any, start: Any, out: Path) -> None:
    config = configure(*(token(out / f"{n}", f"{n}") for n in range(20)))
    helper = await start(config)
    await helper.until_logged("all outputs are written")
    for audience in "abcde":
        config.outputs = [token(out / f"{n}", f"{audience}{n}") for n in range(20)]
        config.write()
        helper.send(signal.SIGHUP)
        await asyncio.sleep(0.01)
    helper.send(signal.SIGHUP)
    for n in range(20):
        await helper.until_condition(f"e{n}", "fresh")
    assert [e for e in helper.log if e["level"] == "error"] == []
    assert await helper.ends(signal.SIGTERM) == 0


async def test_a_program_that_waited_for_an_output_that_is_gone(
    configure: Any, start: Any, out: Path
) -> None:
    config = configure(
        token(out / "a", "a"),
        token(out / "no" / "b", "b"),
        program={"command": ["/bin/sh", "-c", "exit 9"]},
    )
    helper = await start(config)
    await helper.until_condition("a", "fresh")
    config.outputs.pop()
    config.write()
    helper.send(signal.SIGHUP)
    assert await helper.ends() == 9


class SystemdEar:
    """A datagram socket as systemd's; `heard` is what came, a message each."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def _hear(self) -> None:
        self.heard.append(self._socket.recv(4096).decode())

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        if not self.address.startswith("@"):
            Path(self.address).unlink()

    def said(self, start: str) -> list[str]:
        return [message for message in self.heard if message.startswith(start)]


@pytest.fixture(params=["path", "abstract"])
async def systemd(request: pytest.FixtureRequest) -> AsyncIterator[SystemdEar]:
    name = f"notify-{secrets.token_hex(8)}"
    ear = SystemdEar(f"/tmp/{name}" if request.param == "path" else f"@{name}")
    yield ear
    ear.close()


async def test_what_systemd_hears(
    configure: Any, start: Any, out: Path, systemd: SystemdEar, cluster: Cluster
) -> None:
    late = await cluster.add_workload("late")
    config = configure(token(out / "a", "a"), token(out / "b", "b"), address=late.address)
    helper = await start(config, NOTIFY_SOCKET=systemd.address, WATCHDOG_USEC="100000")
    await helper.until(lambda: "STATUS=0 of 2 outputs fresh, 2 absent" in systemd.heard)
    await helper.until(lambda: len(systemd.said("WATCHDOG=1")) >= 3)
    assert systemd.said("READY") == []
    late.register(Entry("spiffe://example.org/late"))
    await helper.until(lambda: systemd.said("READY"), "READY")
    assert systemd.said("READY") == ["READY=1\nSTATUS=2 of 2 outputs fresh"]
    assert (out / "a").exists()
    assert (out / "b").exists()
    helper.send(signal.SIGHUP)
    await helper.until(lambda: len(systemd.said("READY")) == 2)
    (reloading,) = systemd.said("RELOADING=1\nMONOTONIC_USEC=")
    ready_again = len(systemd.heard) - 1 - systemd.heard[::-1].index(systemd.said("READY")[1])
    assert systemd.heard.index(reloading) < ready_again
    assert await helper.ends(signal.SIGTERM) == 0
    await asyncio.sleep(0)
    assert systemd.said("STOPPING") == ["STOPPING=1"]
