"""The quick call ends as the client's does, and says when it is the client that must be asked."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from outcomes import of_client, of_one_shot

from spire_bridge._proto import workload_pb2 as pb
from spire_bridge.sandbox.entry import Entry
from spire_bridge.sandbox.faults import GARBAGE_BYTES, Fault
from spire_bridge.sandbox.trust_domain import SandboxTrustDomain
from spire_bridge.sandbox.workload import Workload
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.rpc_errors import DeadlineExceeded
from spire_bridge.workload import one_shot
from spire_bridge.workload.errors import HintNotFound

WEB = Entry("spiffe://example.org/web", hint="internal")
ASKED = "the client was asked"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client was given, each time that it was asked instead."""
    given: list[float] = []

    def ask(address: str | None, timeout: float, call: Any) -> Any:
        given.append(timeout)
        return ASKED

    monkeypatch.setattr(one_shot, "_ask", ask)
    return given


async def test_the_same_tokens(workload: Workload, asked: list[float]) -> None:
    workload.register(WEB)
    for audience in (["db"], "db", ["b", "a", "b"], ["é☃"]):
        expected = await of_client(workload.address, audience)
        assert await of_one_shot(workload.address, audience) == expected
        assert len(expected) == 2
    assert not asked


async def test_the_same_identity_of_several(workload: Workload, asked: list[float]) -> None:
    workload.register(WEB)
    for wanted in (WEB.spiffe_id, "spiffe://example.org/other", "spiffe://elsewhere.test/web"):
        expected = await of_client(workload.address, ["db"], spiffe_id=wanted)
        assert await of_one_shot(workload.address, ["db"], spiffe_id=wanted) == expected
    assert not asked


async def test_a_hundred_identities_take_several_frames(
    workload: Workload, asked: list[float]
) -> None:
    for number in range(200):
        workload.register(Entry(f"spiffe://example.org/{number}", hint=f"hint-{number}"))
    svids = await of_one_shot(workload.address, ["db"])
    assert svids == await of_client(workload.address, ["db"])
    assert len(svids) == 201
    assert sum(len(svid.token) for svid in svids) > 65_535
    assert not asked


@pytest.mark.parametrize(
    "fault",
    [
        Fault.PERMISSION_DENIED,
        Fault.UNAVAILABLE,
        Fault.INVALID_ARGUMENT,
        Fault.UNIMPLEMENTED,
        Fault.MALFORMED,
        Fault.WRONG_AUDIENCE,
        Fault.EXPIRED,
    ],
)
async def test_the_same_error_for_each_fault(
    workload: Workload, asked: list[float], fault: Fault
) -> None:
    workload.fault = fault
    error = await of_one_shot(workload.address, ["db"])
    assert error == await of_client(workload.address, ["db"])
    assert issubclass(error[0], Exception)
    assert not asked


@pytest.mark.parametrize("details", ["", "because", "because\nof 100 % ☃", "x" * 4000])
@pytest.mark.parametrize(
    "status", [status for status in grpc.StatusCode if status is not grpc.StatusCode.OK]
)
async def test_the_same_error_for_each_status(
    agent: Any, asked: list[float], status: grpc.StatusCode, details: str
) -> None:
    agent.refuse_with(status, details)
    error = await of_one_shot(agent.address, ["db"])
    assert error == await of_client(agent.address, ["db"])
    assert not asked
    quick, client = agent.calls
    assert quick.request == client.request
    assert quick.metadata["workload.spiffe.io"] == client.metadata["workload.spiffe.io"] == "true"


@pytest.mark.parametrize(
    ("audience", "which"),
    [([], {}), ([""], {}), (["\udcff"], {}), (["db"], {"spiffe_id": "web"})],
)
async def test_the_same_refusal_before_anything_is_sent(
    agent: Any, audience: list[str], which: dict[str, str]
) -> None:
    error = await of_one_shot(agent.address, audience, **which)
    assert error == await of_client(agent.address, audience, **which)
    assert issubclass(error[0], Exception)
    assert not agent.calls


@pytest.mark.parametrize("address", ["", "/run/agent.sock", "tcp://localhost:1"])
async def test_the_same_refusal_of_an_address(address: str, monkeypatch: Any) -> None:
    monkeypatch.delenv("SPIFFE_ENDPOINT_SOCKET", raising=False)
    assert await of_one_shot(address, ["db"]) == await of_client(address, ["db"])


async def test_the_deadline(workload: Workload, asked: list[float]) -> None:
    workload.fault = Fault.HANG
    started = time.monotonic()
    error = await of_one_shot(workload.address, ["db"], timeout=0.3)
    assert 0.25 < time.monotonic() - started < 1.5
    assert error == await of_client(workload.address, ["db"], timeout=0.3)
    assert error[0] is DeadlineExceeded
    assert not asked


async def test_an_answer_that_is_no_message_is_left_to_the_client(
    agent: Any, asked: list[float]
) -> None:
    for message in (GARBAGE_BYTES, b"\x0a\x03\x0a\x01\xff", b"\x0b\x0c"):
        agent.answer_with(message)
        assert await of_one_shot(agent.address, ["db"]) == ASKED
    assert len(asked) == 3


async def test_a_token_of_another_subject(
    agent: Any, sandbox: SandboxTrustDomain, asked: list[float]
) -> None:
    token = sandbox.jwt.issue("spiffe://example.org/other", ["db"], 300).token
    for named in ("spiffe://example.org/web", "spiffe://example.org/other"):
        response = pb.JWTSVIDResponse()
        response.svids.add(spiffe_id=named, svid=token, hint="ü")
        agent.answer_with(response)
        for which in ({}, {"spiffe_id": "spiffe://example.org/web"}):
            expected = await of_client(agent.address, ["db"], **which)
            assert await of_one_shot(agent.address, ["db"], **which) == expected
    agent.answer_with(b"")
    assert await of_one_shot(agent.address, ["db"]) == await of_client(agent.address, ["db"])
    assert not asked


async def test_one_token_by_its_hint(workload: Workload) -> None:
    workload.register(WEB)
    fetch = one_shot.fetch_jwt_svid
    svid = await of_one_shot(workload.address, ["db"], fetch, hint="internal")
    assert isinstance(svid, UnverifiedJwtSvid)
    assert str(svid.spiffe_id) == WEB.spiffe_id
    default = await of_one_shot(workload.address, ["db"], fetch)
    assert str(default.spiffe_id) == "spiffe://example.org/workload"
    error = await of_one_shot(workload.address, ["db"], fetch, hint="external")
    assert error[0] is HintNotFound
    assert error[3] == "hints that the agent sent: internal"


@contextmanager
def server(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serves one connection in a thread."""

    def accept() -> None:
        connection, _ = listener.accept()
        with connection:
            serve(connection)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"unix://{path}"
        thread.join(10)
        assert not thread.is_alive()


SETTINGS = bytes.fromhex("000000040000000000")
PING = bytes.fromhex("000008060000000000") + b"12345678"


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\xff" * 2048, SETTINGS, SETTINGS[:5]],
    ids=["nothing", "HTTP/1", "bytes", "HTTP/2 without an answer", "half a frame"],
)
async def test_a_server_that_hangs_up_is_left_to_the_client(
    socket_dir: Path, asked: list[float], said: bytes
) -> None:
    with server(socket_dir / "s", lambda connection: connection.sendall(said)) as address:
        assert await of_one_shot(address, ["db"], timeout=5.0) == ASKED
    [left] = asked
    assert 0 < left <= 5.0


async def test_no_server_is_left_to_the_client(socket_dir: Path, asked: list[float]) -> None:
    (socket_dir / "file").write_bytes(b"")
    for name in ("none", "file", "no/such"):
        assert await of_one_shot(f"unix://{socket_dir}/{name}", ["db"]) == ASKED
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        assert await of_one_shot(f"tcp://127.0.0.1:{port}", ["db"]) == ASKED
    assert len(asked) == 4


async def test_a_server_that_only_chatters_is_left_at_the_deadline(
    socket_dir: Path, asked: list[float]
) -> None:
    """Bytes that arrive do not make the call longer, nor does one that reads nothing."""

    def chatter(connection: socket.socket) -> None:
        try:
            connection.sendall(SETTINGS)
            while True:
                connection.sendall(PING * 100)
        except OSError:
            return

    with server(socket_dir / "s", chatter) as address:
        started = time.monotonic()
        error = await of_one_shot(address, ["db"], timeout=0.3)
        assert time.monotonic() - started < 2
    assert error[0] is DeadlineExceeded
    assert not asked


async def test_tcp_in_both_families(workload: Workload, asked: list[float]) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_unix_connection(workload.socket_path)

        async def forward(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                to.write(data)
            to.close()

        await asyncio.gather(forward(reader, forth), forward(back, writer))

    for host in ("127.0.0.1", "::1"):
        try:
            relaying = await asyncio.start_server(relay, host, 0)
        except OSError:
            assert host == "::1"  # a machine without IPv6
            continue
        async with relaying:
            port = relaying.sockets[0].getsockname()[1]
            shown = f"[{host}]" if ":" in host else host
            svids = await of_one_shot(f"tcp://{shown}:{port}", ["db"])
            assert svids == await of_client(workload.address, ["db"])
    assert not asked
