"""`dev` as a process: the first thing that a newcomer sees."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import time

import pytest
from command_line import PROGRAM, environment, run


async def test_the_walk_through_shows_what_it_should() -> None:
    ended = await run("dev", "--once", "--port", "0")
    assert (ended.status, ended.err) == (0, "")
    assert "UNEXPECTED" not in ended.out
    assert ended.out.count("✓") == 7
    assert len(ended.out.splitlines()) < 24, "a screenful"


async def test_a_proxy_in_the_environment_is_no_trouble() -> None:
    proxy = "http://127.0.0.1:9"
    ended = await run("dev", "--once", "--port", "0", http_proxy=proxy, HTTP_PROXY=proxy)
    assert (ended.status, ended.err) == (0, "")


async def test_a_port_that_is_taken_is_an_error_if_it_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ended = await run("dev", "--once", "--port", str(other.getsockname()[1]))
    assert (ended.status, ended.error) == (1, "LISTEN_FAILED")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_it_is_told_to_end(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("dev", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        shown = (await process.stdout.readuntil(b"/readyz\n")).decode()
    address = re.search(r"export SPIFFE_ENDPOINT_SOCKET=(\S+)", shown)
    assert address is not None
    fetched = await run("fetch", "jwt", "--audience", "demo", "--socket", address[1])
    assert fetched.status == 0
    started = time.monotonic()
    process.send_signal(number)
    async with asyncio.timeout(5):
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert time.monotonic() - started < 2
