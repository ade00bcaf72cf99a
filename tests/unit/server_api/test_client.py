"""Each way in which a call to a server ends without a bundle: class, code, exit status, advice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from spire_bridge._proto import spire_types_pb2 as types
from spire_bridge.errors import (
    EXIT_FAILURE,
    EXIT_NOT_PERMITTED,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
)
from spire_bridge.sandbox.faults import Fault
from spire_bridge.sandbox.server_api import ServerApi
from spire_bridge.sandbox.workload import Workload
from spire_bridge.server_api.client import ServerClient
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.transport.rpc_errors import (
    DeadlineExceeded,
    InvalidArgument,
    NotASocket,
    PermissionDenied,
    RpcError,
    SocketForbidden,
    SocketMissing,
    Unavailable,
    UnexpectedAnswer,
    Unimplemented,
)


async def failure(address: str, *, timeout: float = 5.0) -> RpcError:  # noqa: ASYNC109
    async with ServerClient(address, timeout=timeout) as client:
        with pytest.raises(RpcError) as caught:
            await client.get_bundle()
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("fault", "kind", "code", "status"),
    [
        (Fault.UNAVAILABLE, Unavailable, "UNAVAILABLE", EXIT_UNAVAILABLE),
        (Fault.PERMISSION_DENIED, PermissionDenied, "PERMISSION_DENIED", EXIT_NOT_PERMITTED),
        (Fault.UNIMPLEMENTED, Unimplemented, "UNIMPLEMENTED", EXIT_FAILURE),
        (Fault.INVALID_ARGUMENT, InvalidArgument, "INVALID_ARGUMENT", EXIT_FAILURE),
        (Fault.GARBAGE, UnexpectedAnswer, "UNEXPECTED_ANSWER", EXIT_FAILURE),
        (Fault.MALFORMED, UnexpectedAnswer, "UNEXPECTED_ANSWER", EXIT_FAILURE),
    ],
)
async def test_what_a_server_answers_wrong(
    server: ServerApi, fault: Fault, kind: type[RpcError], code: str, status: int
) -> None:
    server.fault = fault
    error = await failure(server.address)
    assert type(error) is kind
    assert (error.code, error.exit_status) == (code, status)


async def test_a_server_that_does_not_answer_in_time(server: ServerApi) -> None:
    server.fault = Fault.HANG
    start = time.monotonic()
    error = await failure(server.address, timeout=0.2)
    assert type(error) is DeadlineExceeded
    assert (error.code, error.exit_status) == ("DEADLINE_EXCEEDED", EXIT_UNAVAILABLE)
    assert time.monotonic() - start < 2


async def test_no_socket(tmp_path: Path) -> None:
    error = await failure(f"unix://{tmp_path}/none")
    assert type(error) is SocketMissing
    assert (error.code, error.exit_status) == ("SOCKET_MISSING", EXIT_UNAVAILABLE)
    assert str(tmp_path / "none") in error.message
    assert error.hint


async def test_a_file_that_is_no_socket(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    error = await failure(f"unix://{tmp_path}/file")
    assert type(error) is NotASocket
    assert (error.code, error.exit_status) == ("SOCKET_WRONG_TYPE", EXIT_USAGE)


async def test_a_socket_that_this_user_may_not_open(
    server: ServerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spire_bridge.transport.unix_socket.os.access", lambda *_, **__: False)
    server.fault = Fault.UNAVAILABLE
    error = await failure(server.address)
    assert type(error) is SocketForbidden
    assert (error.code, error.exit_status) == ("SOCKET_FORBIDDEN", EXIT_USAGE)
    assert "group" in (error.hint or "")


async def test_the_socket_of_an_agent(workload: Workload) -> None:
    error = await failure(workload.address)
    assert type(error) is Unimplemented
    assert "agent" in (error.hint or "")


async def test_one_client_outlives_the_server(server: ServerApi) -> None:
    async with ServerClient(server.address) as client:
        before = await client.get_bundle()
        await server.stop()
        with pytest.raises(SocketMissing):
            await client.get_bundle()
        await server.start()
        while True:  # until grpc has connected again
            try:
                assert await client.get_bundle() == before
                break
            except Unavailable:
                continue


async def test_keys_that_nobody_uses_are_not_asked_for(server: ServerApi) -> None:
    server.answer = types.Bundle(
        trust_domain="example.org",
        sequence_number=7,
        refresh_hint=60,
        wit_authorities=[types.WITKey(key_id="w", public_key=b"der")],
    )
    async with ServerClient(server.address) as client:
        bundle = await client.get_bundle(TrustDomain("example.org"))
    assert (bundle.sequence, bundle.refresh_hint_seconds) == (7, 60)
    assert not bundle.jwt.authorities
