"""The host that a relying party has asked for, with or without proxies in between."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.listen.http import Request

_UNIX = "unix"

# RFC 7239, section 4: pairs separated by semicolons, elements by commas; RFC 9110, 5.6.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'
_PAIR = re.compile(rf"[ \t]*(?P<name>{_WORD})=(?P<value>{_WORD}|{_QUOTED})[ \t]*(?P<end>[;,]|\Z)")

# A host as URLs have it, and a port. No trailing dot, no percent-encoding: no issuer has them.
_HOST = re.compile(
    r"(?P<host>[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE,
)


class InvalidTrustedProxy(BridgeError):
    """A text is no network, no IP address and not the word `unix`."""

    code = "TRUSTED_PROXY_INVALID"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The peers whose word counts for the host that was asked for.

    To list one is to say that it sets X-Forwarded-Host or Forwarded itself, or removes
    what its clients have sent: what it passes on unseen can't be told from its own.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Reads `10.0.0.0/8`, `::1`, and `unix` for whoever may use a unix socket.

        Raises `InvalidTrustedProxy`, also for a network with host bits.
        """
        words = list(texts)
        return cls(tuple(_network(word) for word in words if word != _UNIX), unix=_UNIX in words)

    def trust(self, peer: str) -> bool:
        """Whether the peer of a request is one of them."""
        if not peer:
            return self.unix
        address = ip_address(peer)
        return any(address in network for network in self.networks)

    def effective_host(self, request: Request) -> str:
        """The host that the relying party asked for, as `normal_host` has it.

        That is the authority of an absolute request target (RFC 9112, section 3.2.2), else
        Host; empty if that is malformed, and so equal to no issuer's host.

        From a trusted peer, X-Forwarded-Host or the `host` of Forwarded (RFC 7239) counts
        instead, by its last entry: proxies append, so the last one is the peer's own word
        and the ones before are hearsay, the first even of the client. Whatever is open to
        doubt counts for nothing: a malformed value, X-Forwarded-Host or Forwarded in
        several fields, the two of them with different hosts.
        """
        if self.trust(request.peer):
            told = _told(request)
            if told is not None:
                return told
        return normal_host(_asked_for(request)) or ""


def normal_host(text: str) -> str | None:
    """`host[:port]` in the form in which two of them can be compared; None if it is none.

    Lower case, and without port 443, which an https URL needn't name: the host of
    `https://Issuer.example.org:443` and a Host of `issuer.example.org` are one. Port 80
    stays, since it is another than the default of https.
    """
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    host, port = match["host"].lower(), match["port"]
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1])}]"
        except ValueError:
            return None
    if port is None:
        return host
    if not 0 < int(port) < 65536:
        return None
    return host if int(port) == 443 else f"{host}:{int(port)}"


def _asked_for(request: Request) -> str:
    scheme, mark, rest = request.target.partition("://")
    if mark and scheme.lower() in {"http", "https"}:
        return re.split(r"[/?#]", rest, maxsplit=1)[0]
    return request.headers.get("host", "")


def _told(request: Request) -> str | None:
    """The host by the peer's headers; None if there is none that is beyond doubt."""
    hosts = set()
    for name, last in (("x-forwarded-host", _last_entry), ("forwarded", _last_host)):
        value = request.headers.get(name)
        if value is None:
            continue
        if name in request.repeated:
            return None
        try:
            entry = last(value)
        except ValueError:
            return None
        if entry is not None:
            hosts.add(normal_host(entry))
    return hosts.pop() if len(hosts) == 1 else None


def _last_entry(value: str) -> str:
    return value.rpartition(",")[2].strip(" \t")


def _last_host(forwarded: str) -> str | None:
    """The `host` of the last element; None if it has none. Raises `ValueError`."""
    host: str | None = None
    names: set[str] = set()
    position, end = 0, ","
    while end:
        pair = _PAIR.match(forwarded, position)
        if pair is None or (name := pair["name"].lower()) in names:
            raise ValueError("no header of RFC 7239")
        position, end = pair.end(), pair["end"]
        names.add(name)
        if name == "host":
            host = _unquoted(pair["value"])
        if end == ",":
            names, host = set(), None
    return host


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        hint = "write 10.0.0.0/8, 192.0.2.1, 2001:db8::/32, ::1 or unix"
        if "host bits" in str(error):
            hint = f"{text!r} has bits set beside the network's: write {_masked(text)}"
        raise InvalidTrustedProxy(
            f"{text!r} is no network, IP address or the word unix", hint=hint
        ) from None
    return _as_ipv4(network)


def _masked(text: str) -> str:
    return str(ip_network(text, strict=False))


def _as_ipv4(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """IPv4 as such, as peers are told, where it is written as IPv6 (RFC 4291, 2.5.5.2)."""
    address = network.network_address
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((IPv4Address(mapped), network.prefixlen - 96))
