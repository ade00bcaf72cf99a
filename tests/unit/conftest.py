"""What every unit test gets: no network."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def network_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test that connects to, or looks up, anything but this machine.

    This sees what goes through Python's `socket`, asyncio's own event loop included.
    It does not see gRPC's C core or uvloop, which call the kernel themselves.
    """
    for name in ("connect", "connect_ex"):
        guard_connect(monkeypatch, name)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        guard_lookup(monkeypatch, name)


def guard_connect(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, address: Any) -> Any:
        # A unix socket's address is a path, all others are tuples.
        if isinstance(address, tuple):
            refuse_unless_local(name, address[0])
        return original(self, address)

    monkeypatch.setattr(socket.socket, name, guarded)


def guard_lookup(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    original = getattr(socket, name)

    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_unless_local(name, host)
        return original(host, *args, **kwargs)

    monkeypatch.setattr(socket, name, guarded)


def refuse_unless_local(call: str, host: str | bytes | None) -> None:
    if host is None or is_loopback(os.fsdecode(host)):
        return
    # This is no Exception, so code that retries after any error cannot hide it.
    pytest.fail(f"a unit test reached for the network: {call} {host!r}")


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
