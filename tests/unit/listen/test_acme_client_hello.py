"""What is read of a ClientHello, from those that OpenSSL writes and from anything else."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spire_bridge.listen.acme.client_hello import MAX_BYTES, ClientHello, read_client_hello

NOTHING = ClientHello()


def client_hello(name: str | None = "issuer.test", protocols: Sequence[str] = ()) -> bytes:
    """The first bytes of a real client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


HELLO = client_hello("Issuer.Test", ("acme-tls/1", "h2"))
EXPECTED = ClientHello("issuer.test", (b"acme-tls/1", b"h2"))


def in_records(data: bytes, size: int) -> bytes:
    """The message of one record, in records of `size` bytes."""
    message = data[5:]
    pieces = [message[i : i + size] for i in range(0, len(message), size)]
    return b"".join(data[:3] + len(piece).to_bytes(2) + piece for piece in pieces)


def test_name_and_protocols_are_read() -> None:
    assert read_client_hello(HELLO) == EXPECTED
    assert read_client_hello(client_hello(None)) == NOTHING
    assert read_client_hello(client_hello("a.test")) == ClientHello("a.test")


def test_more_is_asked_for_until_it_is_whole() -> None:
    assert all(read_client_hello(HELLO[:end]) is None for end in range(len(HELLO)))
    assert read_client_hello(HELLO + b"more") == EXPECTED


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_message_in_several_records_is_read(size: int) -> None:
    assert read_client_hello(in_records(HELLO, size)) == EXPECTED


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",  # an alert
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",  # a ServerHello
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",  # a ClientHello that ends too early
        b"\x16\x03\x01\xff\xff\x01\xff\xff\xff" + bytes(MAX_BYTES),
    ],
)
def test_what_is_none_says_nothing(data: bytes) -> None:
    assert read_client_hello(data) == NOTHING


@given(st.binary(max_size=200))
def test_any_bytes_are_borne(data: bytes) -> None:
    assert read_client_hello(data) in {None, NOTHING}


@given(st.integers(0, len(HELLO) - 1), st.binary(max_size=4), st.integers(0, 4))
def test_damage_is_borne(position: int, inserted: bytes, removed: int) -> None:
    damaged = HELLO[:position] + inserted + HELLO[position + removed :]
    assert isinstance(read_client_hello(damaged), ClientHello | None)
