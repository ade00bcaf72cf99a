"""What systemd hears, at a real socket of its kind."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spire_bridge.telemetry.systemd import Notifier


@contextmanager
def listening_at(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        listener.settimeout(5)
        yield listener


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"notify-{secrets.token_hex(8)}"
    if request.param == "abstract":
        yield f"@{name}"
    else:
        path = f"/tmp/{name}"
        yield path
        Path(path).unlink()


def test_each_message(address: str) -> None:
    with listening_at(address) as listener:
        notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
        notifier.ready("all is well")
        assert listener.recv(500) == b"READY=1\nSTATUS=all is well"
        notifier.ready()
        assert listener.recv(500) == b"READY=1"
        notifier.status("1 of 2")
        assert listener.recv(500) == b"STATUS=1 of 2"
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notifier.reloading()
        first, second = listener.recv(500).decode().split("\n")
        assert first == "RELOADING=1"
        name, _, value = second.partition("=")
        assert name == "MONOTONIC_USEC"
        assert before <= int(value) <= before + 5_000_000
        notifier.stopping()
        assert listener.recv(500) == b"STOPPING=1"


def test_what_is_said_once_waits_for_a_busy_listener(address: str) -> None:
    with listening_at(address) as listener:
        notifier = Notifier(address)
        sent = 0
        listener.settimeout(0)
        for sent in range(1000):  # noqa: B007 - status is dropped once the queue is full
            notifier.status("again")
        received = 0
        done = threading.Thread(target=notifier.ready)
        done.start()
        done.join(0.05)
        assert done.is_alive()  # the queue is full, and it waits
        listener.settimeout(5)
        while (message := listener.recv(500)) != b"READY=1":
            assert message == b"STATUS=again"
            received += 1
        done.join()
        assert received <= sent


async def test_the_watchdog(address: str) -> None:
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "40000"}
    with listening_at(address) as listener:
        notifier = Notifier.from_environment({**environment, "WATCHDOG_PID": str(os.getpid())})
        assert notifier.watchdog_seconds == 0.02
        task = asyncio.create_task(notifier.watchdog())
        for _ in range(3):
            assert await asyncio.to_thread(listener.recv, 500) == b"WATCHDOG=1"
        task.cancel()
    assert Notifier.from_environment(environment).watchdog_seconds == 0.02


@pytest.mark.parametrize(
    "changes",
    [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": ""}],
)
async def test_no_watchdog(changes: dict[str, str]) -> None:
    environment = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "40000"} | changes
    notifier = Notifier.from_environment(environment)
    assert notifier.watchdog_seconds is None
    await notifier.watchdog()


@pytest.mark.parametrize("value", ["", "relative", "vsock:2:1"])
def test_where_nobody_listens_nothing_is_sent(value: str) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": value, "WATCHDOG_USEC": "1"})
    assert notifier == Notifier()
    notifier.ready("x")


def test_a_listener_that_is_gone_is_no_failure() -> None:
    Notifier("/tmp/nobody-listens-here").ready("x")
    Notifier("@nobody-listens-here").status("x")
