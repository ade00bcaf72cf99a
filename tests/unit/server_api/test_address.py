"""Addresses of a server's own socket: the forms that exist, and why others are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.server_api.address import InvalidServerAddress, ServerAddress
from spire_bridge.transport.unix_socket import MAX_SOCKET_PATH_BYTES


@pytest.mark.parametrize(
    ("uri", "path", "target"),
    [
        ("unix:///run/spire/api.sock", "/run/spire/api.sock", "unix:/run/spire/api.sock"),
        ("unix:/run/spire/api.sock", "/run/spire/api.sock", "unix:/run/spire/api.sock"),
        ("UNIX:/s", "/s", "unix:/s"),
        ("unix:///a%20b", "/a b", "unix:/a%20b"),
        ("unix:/" + "s" * (MAX_SOCKET_PATH_BYTES - 1), "/" + "s" * 106, "unix:/" + "s" * 106),
    ],
)
def test_the_forms_of_an_address(uri: str, path: str, target: str) -> None:
    address = ServerAddress.parse(uri)
    assert (address.socket_path, address.target, str(address)) == (Path(path), target, uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "unix:",
        "unix:///",
        "unix:/",
        "unix:relative.sock",
        "unix://host/api.sock",
        "unix:////api.sock",
        "unix:/api.sock?x=1",
        "unix:/api.sock#x",
        "unix:/a%00b",
        "unix:/a\nb",
        "unix:/ä",
        "unix:/" + "s" * MAX_SOCKET_PATH_BYTES,
        "tcp://127.0.0.1:8081",
        "/run/spire/api.sock",
    ],
)
def test_what_is_no_address(uri: str) -> None:
    with pytest.raises(InvalidServerAddress) as caught:
        ServerAddress.parse(uri)
    assert (caught.value.code, caught.value.exit_status) == ("SERVER_ADDRESS_INVALID", EXIT_USAGE)
    assert caught.value.hint


def test_a_bare_path_is_told_its_scheme() -> None:
    with pytest.raises(InvalidServerAddress) as caught:
        ServerAddress.parse("/run/api.sock")
    assert caught.value.hint == "did you mean unix:///run/api.sock?"


@given(st.text() | st.text().map("unix:".__add__) | st.text().map("unix:///".__add__))
def test_any_text_is_an_address_or_an_error(uri: str) -> None:
    try:
        address = ServerAddress.parse(uri)
    except BridgeError:
        return
    assert address.socket_path.is_absolute()
