"""The agent's socket as `doctor` sees it, and what an agent would see of this process."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import free_port
from forgery.tokens import rsa_key, signed
from unprivileged import as_nobody

from spire_bridge.errors import BridgeError
from spire_bridge.service.doctor.agent import check_socket
from spire_bridge.service.doctor.context import Asked, Context
from spire_bridge.service.doctor.finding import Finding, Outcome
from spire_bridge.service.doctor.selectors import entry_advice, pod_selectors, unix_selectors
from spire_bridge.service.doctor.walk import Check, walk
from spire_bridge.spiffe.id import SpiffeId


def looked_at(address: str | None, **environment: str) -> Finding:
    asked = Asked(address=address, environment=environment, timeout_seconds=1)
    (finding,) = walk((Check("socket", check_socket),), Context(asked))
    return finding


@pytest.fixture
def listener() -> Iterator[Path]:
    """A socket at a short path, whose folder others may look into."""
    with (
        tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as name,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        Path(name).chmod(0o755)
        path = Path(name) / "agent.sock"
        unix.bind(str(path))
        unix.listen()
        yield path


def test_a_socket_at_which_somebody_listens(listener: Path) -> None:
    listener.chmod(0o777)
    finding = looked_at(f"unix://{listener}")
    assert finding.outcome is Outcome.OK
    assert finding.seen == f"unix://{listener}, mode 0777, owner {os.geteuid()}:{os.getegid()}"
    assert looked_at(None, SPIFFE_ENDPOINT_SOCKET=f"unix://{listener}") == finding


def test_a_port_at_which_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert looked_at(address).seen == address
    finding = looked_at(f"tcp://127.0.0.1:{free_port()}")
    assert (finding.code, finding.exit_status) == ("UNAVAILABLE", 4)


@pytest.mark.parametrize(
    ("address", "code", "status"),
    [
        (None, "ENDPOINT_ADDRESS_INVALID", 2),
        ("/run/agent.sock", "ENDPOINT_ADDRESS_INVALID", 2),
        ("unix:///nowhere/agent.sock", "SOCKET_MISSING", 4),
        ("unix:///tmp", "SOCKET_WRONG_TYPE", 2),
    ],
)
def test_addresses_that_lead_nowhere(address: str | None, code: str, status: int) -> None:
    finding = looked_at(address)
    assert (finding.outcome, finding.code) == (Outcome.FAIL, code)
    assert finding.exit_status == status
    assert finding.hints


def test_a_socket_that_an_agent_left_behind(listener: Path) -> None:
    left = listener.with_name("left.sock")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(left))
    finding = looked_at(f"unix://{left}")
    assert (finding.code, finding.exit_status) == ("UNAVAILABLE", 4)
    assert finding.seen == f"nobody listens at unix://{left}: Connection refused"
    assert "systemctl status spire-agent" in finding.hints[0]


def test_a_socket_that_this_user_may_not_open(listener: Path) -> None:
    listener.chmod(0o600 if os.geteuid() == 0 else 0o000)
    with as_nobody():
        finding = looked_at(f"unix://{listener}")
    assert (finding.code, finding.exit_status) == ("SOCKET_FORBIDDEN", 2)
    listener.chmod(0o666)
    listener.parent.chmod(0o700 if os.geteuid() == 0 else 0o000)
    with as_nobody():
        finding = looked_at(f"unix://{listener}")
    listener.parent.chmod(0o755)
    assert (finding.code, finding.exit_status) == ("SOCKET_FORBIDDEN", 2)
    assert "may not be searched" in finding.seen


def service_account_token(folder: Path, claims: dict[str, Any]) -> Path:
    file = folder / "token"
    file.write_text(signed(rsa_key(), {"alg": "RS256", "kid": "a"}, claims))
    return file


def test_what_an_agent_would_see_of_a_pod(tmp_path: Path) -> None:
    pod = {"namespace": "payments", "serviceaccount": {"name": "ledger", "uid": "1"}}
    file = service_account_token(tmp_path, {"kubernetes.io": pod})
    assert pod_selectors(file) == ("k8s:ns:payments", "k8s:sa:ledger")


@pytest.mark.parametrize("content", [None, {}, {"kubernetes.io": 1}, {"kubernetes.io": {}}])
def test_outside_of_a_pod(tmp_path: Path, content: Any) -> None:
    missing = tmp_path / "missing"
    file = missing if content is None else service_account_token(tmp_path, content)
    assert pod_selectors(file) == ()


def test_the_command_that_registers_this_process() -> None:
    assert unix_selectors()[:2] == (f"unix:uid:{os.geteuid()}", f"unix:gid:{os.getegid()}")
    seen, command = entry_advice(SpiffeId.parse("spiffe://example.org/web"))
    assert all(selector in seen for selector in unix_selectors())
    assert "-spiffeID spiffe://example.org/web -selector " in command
    assert command.startswith("spire-server entry create -parentID ")


def test_a_check_may_raise_what_it_finds() -> None:
    def refused(_: Context) -> Any:
        raise BridgeError("no", hint="do")

    (finding,) = walk((Check("a", refused),), Context(Asked()))
    assert finding == Finding.failed("a", "FAILED", "no", "do")
