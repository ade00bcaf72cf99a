"""Sockets that systemd passes, given to a child process that is executed with them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from child_process import free_port
from loopback_http import ask

from spire_bridge.listen.activation import PassedSockets
from spire_bridge.listen.address import ListenAddress

# Binds each name in turn ("" is the only one), tells how it went and what a child of its
# own inherits, and serves the last one until it gets a SIGTERM.
PROGRAM = """
import asyncio, json, os, signal, subprocess, sys
from spire_bridge.listen.activation import ActivatedAddress
from spire_bridge.listen.address import ListenFailure
from spire_bridge.listen.http import Response
from spire_bridge.listen.server import serving

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    told = []
    for name in sys.argv[1:]:
        try:
            listener, address = ActivatedAddress(name or None).bind()
        except ListenFailure as error:
            told.append([error.message, error.hint])
        else:
            told.append(str(address))
    check = "import os; print([n for n in range(3, 9) if os.path.exists(f'/proc/self/fd/{n}')])"
    child = subprocess.run([sys.executable, "-c", check], capture_output=True, close_fds=False)
    left = [name for name in os.environ if name.startswith("LISTEN_")]
    if told and isinstance(told[-1], str):
        listener.close()
        address.release(listener)
        again = ActivatedAddress(address.name)
        async with serving(lambda _: Response(200, (), b"activated"), again):
            print(json.dumps([told, child.stdout.decode(), left]), flush=True)
            await stop.wait()
    else:
        print(json.dumps([told, child.stdout.decode(), left]), flush=True)

asyncio.run(main())
"""

# Puts the descriptors of its argument at 3 and on, as systemd does, and becomes the program.
EXECUTE = """
import os, sys
descriptors = [int(n) for n in sys.argv[1].split(",") if n]
safe = [os.dup2(n, 100 + i) for i, n in enumerate(descriptors)]
os.closerange(3, 100)
for i, n in enumerate(safe):
    os.dup2(n, 3 + i)
    os.close(n)
for name, value in (("LISTEN_PID", str(os.getpid())), ("LISTEN_FDS", str(len(safe)))):
    os.environ.setdefault(name, value)
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[2:]])
"""


class Activated:
    """The program with these sockets, and what it has told."""

    def __init__(
        self, sockets: Sequence[socket.socket], names: Sequence[str], **environment: str
    ) -> None:
        descriptors = [s.fileno() for s in sockets]
        numbers = ",".join(map(str, descriptors))
        self.process = subprocess.Popen(
            [sys.executable, "-c", EXECUTE, numbers, PROGRAM, *names],
            pass_fds=descriptors,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.told, self.inherited, self.variables = json.loads(self.process.stdout.readline())

    def __enter__(self) -> Activated:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def listeners() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]


def place(listener: socket.socket) -> ListenAddress:
    return ListenAddress(*listener.getsockname())


async def test_the_only_socket_is_served_and_outlives_the_process(
    listeners: list[socket.socket],
) -> None:
    [listener, _] = listeners
    with Activated([listener], [""]) as activated:
        assert activated.told == [f"activated ({place(listener)})"]
        assert activated.inherited.strip() == "[]"
        assert activated.variables == []
        assert (await ask(place(listener), "/")).body == b"activated"
    asked = asyncio.create_task(ask(place(listener), "/"))  # it waits in the backlog
    await asyncio.sleep(0)
    with Activated([listener], [""]):
        assert (await asked).body == b"activated"


async def test_sockets_are_told_apart_by_name(listeners: list[socket.socket]) -> None:
    names = {"LISTEN_FDNAMES": "web:health"}
    with Activated(listeners, ["health"], **names) as activated:
        assert activated.told == [f"activated:health ({place(listeners[1])})"]
        assert (await ask(place(listeners[1]), "/")).body == b"activated"


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with Activated([listener], [""]) as activated:
            assert activated.told == [f"activated (unix:{path})"]
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            assert (await reader.read()).endswith(b"activated")
            writer.close()
    assert path.is_socket()


@pytest.mark.parametrize(
    ("names", "environment", "complaints"),
    [
        (["admin"], {"LISTEN_FDNAMES": "a:b"}, ["there are 'a', 'b'"]),
        ([""], {"LISTEN_FDNAMES": "a:b"}, ["several sockets were passed: 'a', 'b'"]),
        (["a"], {"LISTEN_FDNAMES": "a:a"}, ["several sockets of that name"]),
        ([""], {}, ["several sockets were passed: 'unknown', 'unknown'"]),
        (["a", "a"], {"LISTEN_FDNAMES": "a:b"}, ["", "another listener uses that socket"]),
        (["a"], {"LISTEN_FDNAMES": "a"}, ["has 1 names for 2 sockets"]),
        (["a"], {"LISTEN_PID": "1"}, ["passed to process '1'"]),
        (["a"], {"LISTEN_FDS": "none"}, ["no number of sockets: 'none'"]),
        (["a"], {"LISTEN_FDS": "0"}, ["no number of sockets: '0'"]),
        (["a"], {"LISTEN_FDS": "9" * 5000}, ["no number of sockets"]),
        ([""], {"LISTEN_FDS": "40"}, ["was announced and is not open"]),
    ],
)
def test_what_is_wrong_is_said(
    listeners: list[socket.socket],
    names: list[str],
    environment: dict[str, str],
    complaints: list[str],
) -> None:
    with Activated(listeners, names, **environment) as activated:
        for told, complaint in zip(activated.told, complaints, strict=True):
            assert isinstance(told, str) is (not complaint)
            assert complaint in told[0]
        assert activated.variables == []


def test_without_systemd_there_is_no_socket() -> None:
    with Activated([], ["web"], LISTEN_PID="") as activated:
        [[message, hint]] = activated.told
        assert message.startswith("can't listen on activated:web: ")
        assert "systemd socket unit" in hint
    with pytest.raises(LookupError, match="no socket was passed to this process"):
        PassedSockets.taken_from({}).find(None)


def test_only_listening_streams_are_taken(listeners: list[socket.socket]) -> None:
    with ExitStack() as stack:
        connected = stack.enter_context(socket.create_connection(listeners[0].getsockname()))
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for wrong, complaint, advice in (
            (connected, "doesn't listen, it is a connection", "Accept=no"),
            (datagrams, "neither TCP nor a unix stream", "ListenStream="),
        ):
            with Activated([wrong], [""]) as activated:
                assert complaint in activated.told[0][0]
                assert advice in activated.told[0][1]


def test_a_file_is_no_socket(tmp_path: Path) -> None:
    file: Any
    with (tmp_path / "file").open("w") as file, Activated([file], [""]) as activated:
        assert activated.told[0][0] == "can't listen on activated: what was passed is no socket"


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate is not here"
)
async def test_systemds_own_activation(tmp_path: Path) -> None:
    port, output = free_port(), tmp_path / "output"
    command = ["systemd-socket-activate", "--listen", f"127.0.0.1:{port}", "--fdname", "web"]
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, sys.executable, "-c", PROGRAM, "web", stdout=file, stderr=file
        )
    try:
        for _ in range(200):
            try:
                assert (await ask(ListenAddress("127.0.0.1", port), "/")).body == b"activated"
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
        else:
            pytest.fail(output.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    assert f"activated:web (127.0.0.1:{port})" in output.read_text()
