"""Addresses to listen on, as operators write them."""

from __future__ import annotations

import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.errors import EXIT_USAGE
from spire_bridge.listen.address import InvalidListenAddress, ListenAddress


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", ListenAddress("127.0.0.1", 8080)),
        ("0.0.0.0:0", ListenAddress("0.0.0.0", 0)),
        ("localhost:65535", ListenAddress("127.0.0.1", 65535)),
        ("[::1]:8080", ListenAddress("::1", 8080)),
        ("[::]:443", ListenAddress("::", 443)),
        ("[0:0:0:0:0:0:0:1]:1", ListenAddress("::1", 1)),
    ],
)
def test_these_are_addresses(text: str, address: ListenAddress) -> None:
    assert ListenAddress.parse(text) == address
    assert ListenAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1"),
        *("127.0.0.1:+1", "127.0.0.1:8_0", "127.0.0.1:٨٠", "127.0.0.1:http", "127.1:80", "*:80"),
        *("::1:8080", "[::1]", "[127.0.0.1]:80", "[localhost]:80", "[::1:80", "example.org:80"),
        *("http://127.0.0.1:80", "127.0.0.1:" + "9" * 5000),
    ],
)
def test_these_are_not(text: str) -> None:
    with pytest.raises(InvalidListenAddress, match="is not an address to listen on") as caught:
        ListenAddress.parse(text)
    assert caught.value.exit_status == EXIT_USAGE
    assert caught.value.hint is not None
    assert "127.0.0.1:8080" in caught.value.hint


@given(st.text(max_size=40) | st.text("[]:0123456789.abcdef%", max_size=30))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = ListenAddress.parse(text)
    except InvalidListenAddress:
        return
    assert ListenAddress.parse(str(address)) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.skipif(sys.platform != "linux", reason="others can't close only one side of a backlog")
def test_after_the_release_nobody_arrives_and_who_did_is_accepted(host: str) -> None:
    listener, address = ListenAddress(host, 0).bind()
    with listener, socket.create_connection((host, address.port)) as early:
        assert address.release(listener) > 0
        with pytest.raises(TimeoutError):
            socket.create_connection((host, address.port), timeout=0.2)
        accepted, _ = listener.accept()
        with accepted:
            early.sendall(b"hello")
            assert accepted.recv(10) == b"hello"
            accepted.sendall(b"goodbye")
            assert early.recv(10) == b"goodbye"
        with pytest.raises(BlockingIOError):
            listener.accept()
