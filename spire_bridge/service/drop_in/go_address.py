"""Listening addresses as Go's net package reads them."""

from __future__ import annotations

import socket

from spire_bridge.config.hcl import InvalidHcl
from spire_bridge.listen.address import InvalidListenAddress, ListenAddress

_PORTS = {"http": "80", "https": "443", "": "0"}  # what Go takes for a number


def go_listen_address(text: str) -> ListenAddress:
    """`:443`, `localhost:80` or `1.2.3.4:80`; no host means every address, as in Go."""
    host, colon, port = text.rpartition(":")
    numbered = f"{host or _bracketed(every_address())}:{_PORTS.get(port, port)}"
    try:
        return ListenAddress.parse(numbered if colon else text)
    except InvalidListenAddress as error:
        raise InvalidHcl(error.message) from None


def every_address() -> str:
    """What stands for every address of this machine, of both families where it has both."""
    return "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - as it was asked for


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
