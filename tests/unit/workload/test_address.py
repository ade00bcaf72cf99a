"""Addresses of the Workload API (SPIFFE Workload Endpoint, section 4)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spire_bridge.errors import EXIT_USAGE
from spire_bridge.workload.address import (
    MAX_SOCKET_PATH_BYTES,
    SOCKET_VARIABLE,
    EndpointAddress,
    InvalidAddress,
)

LONGEST = "/" + "s" * (MAX_SOCKET_PATH_BYTES - 1)


@pytest.mark.parametrize(
    ("uri", "target", "path"),
    [
        ("unix:///run/agent.sock", "unix:/run/agent.sock", "/run/agent.sock"),
        ("unix:/run/agent.sock", "unix:/run/agent.sock", "/run/agent.sock"),
        ("UNIX:///run/agent.sock", "unix:/run/agent.sock", "/run/agent.sock"),
        ("unix:///run/../agent", "unix:/run/../agent", "/run/../agent"),
        ("unix:///a%20b", "unix:/a%20b", "/a b"),
        ("unix:///a b", "unix:/a%20b", "/a b"),
        ("unix:///100%", "unix:/100%25", "/100%"),
        ("unix:///%C3%A9", "unix:/%C3%A9", "/é"),
        ("unix:///a%3Fb%23c", "unix:/a%3Fb%23c", "/a?b#c"),
        ("unix:///a:b", "unix:/a%3Ab", "/a:b"),
        (f"unix://{LONGEST}", f"unix:{LONGEST}", LONGEST),
        ("tcp://127.0.0.1:8000", "ipv4:127.0.0.1:8000", None),
        ("TCP://127.0.0.1:8000", "ipv4:127.0.0.1:8000", None),
        ("tcp://0.0.0.0:1", "ipv4:0.0.0.0:1", None),
        ("tcp://10.1.2.3:65535", "ipv4:10.1.2.3:65535", None),
        ("tcp://[::1]:8000", "ipv6:[::1]:8000", None),
    ],
)
def test_accepted(uri: str, target: str, path: str | None) -> None:
    address = EndpointAddress.parse(uri)
    assert address.target == target
    assert address.socket_path == path
    assert str(address) == address.uri == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/run/agent.sock",
        "run/agent.sock",
        "agent.sock",
        "unix",
        "unix:",
        "unix://",
        "unix:///",
        "unix:agent.sock",
        "unix:./agent.sock",
        "unix://agent.sock",
        "unix://host/agent.sock",
        "unix:////agent.sock",
        "unix:///agent.sock?x=1",
        "unix:///agent.sock#x",
        "unix:///a%00b",
        f"unix://{LONGEST}x",
        "unix:///é",
        "unix:///a\nb",
        "unix-abstract:name",
        "tcp:127.0.0.1:8000",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:+80",
        "tcp://127.0.0.1:8000/",
        "tcp://127.0.0.1:8000/path",
        "tcp://127.0.0.1:8000?x",
        "tcp://user@127.0.0.1:8000",
        "tcp://localhost:8000",
        "tcp://agent.example.org:8000",
        "tcp://127.1:8000",
        "tcp://::1:8000",
        "tcp://[::1]",
        "tcp://[127.0.0.1]:8000",
        "tcp://[fe80::1%eth0]:8000",
        "tcp://:8000",
        "http://127.0.0.1:8000",
        "dns:///127.0.0.1:8000",
    ],
)
def test_refused(uri: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        EndpointAddress.parse(uri)
    assert caught.value.code == "ENDPOINT_ADDRESS_INVALID"
    assert caught.value.exit_status == EXIT_USAGE
    assert "\n" not in caught.value.message


@given(st.text() | st.text("unixtcp:/.[]%0123456789abcdef"))
@example("tcp://[")
@example("tcp://127.0.0.1:" + "9" * 5000)
@example("unix:///%")
@example("unix:///%ff")
@example("unix:/\ud800")
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = EndpointAddress.parse(text)
    except InvalidAddress:
        return
    assert address.target.partition(":")[0] in {"unix", "ipv4", "ipv6"}
    assert (address.socket_path is not None) == address.target.startswith("unix:")


def test_a_bare_path_is_refused_with_the_address_that_was_meant() -> None:
    with pytest.raises(InvalidAddress) as caught:
        EndpointAddress.parse("/run/agent.sock")
    assert caught.value.hint == "did you mean unix:///run/agent.sock?"


def test_the_given_address_comes_before_the_variable() -> None:
    environment = {SOCKET_VARIABLE: "unix:///from/variable"}
    assert EndpointAddress.locate("unix:///given", environment).uri == "unix:///given"
    assert EndpointAddress.locate(None, environment).uri == "unix:///from/variable"
    assert EndpointAddress.locate("", environment).uri == "unix:///from/variable"


@pytest.mark.parametrize("environment", [{}, {SOCKET_VARIABLE: ""}])
def test_no_address_at_all_is_an_error_that_names_the_variable(environment: dict[str, str]) -> None:
    with pytest.raises(InvalidAddress, match="SPIFFE_ENDPOINT_SOCKET is not set"):
        EndpointAddress.locate(None, environment)


def test_the_process_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKET_VARIABLE, "tcp://127.0.0.1:8000")
    assert EndpointAddress.locate(None).uri == "tcp://127.0.0.1:8000"
    monkeypatch.setenv(SOCKET_VARIABLE, "nonsense")
    with pytest.raises(InvalidAddress):
        EndpointAddress.locate(None)
