"""Settings of a listener: where it is, its certificate, and what clients may take of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.errors import BridgeError
from spire_bridge.listen.acme.directories import LETS_ENCRYPT
from spire_bridge.listen.activation import ActivatedAddress
from spire_bridge.listen.address import ListenAddress, UnixAddress
from spire_bridge.listen.forwarded import TrustedProxies
from spire_bridge.listen.limits import Limits
from spire_bridge.service.settings.base import Settings, check, check_absolute, check_https
from spire_bridge.workload.address import EndpointAddress

Place = ListenAddress | UnixAddress | ActivatedAddress


class OwnSvidSettings(Settings, frozen=True):
    """The process's own X.509-SVID, which follows its agent."""

    address: Annotated[
        str, Meta(description="Workload API: unix:///path/to/agent.sock, or tcp://ip:port")
    ]
    hint: Annotated[
        str | None, Meta(description="Which of several identities; the default one if unset")
    ] = None
    timeout_seconds: Annotated[
        float, Meta(description="How long the agent may take to answer at start", gt=0, le=300)
    ] = 10.0

    def __post_init__(self) -> None:
        check(EndpointAddress.parse, "address", self.address)


class AcmeSettings(Settings, frozen=True):
    """A certificate for each domain from a CA that speaks ACME (RFC 8555)."""

    domains: Annotated[tuple[str, ...], Meta(description="The names to certify", min_length=1)]
    terms_agreed: Annotated[bool, Meta(description="Whether you agree to the CA's terms")] = False
    email: Annotated[str, Meta(description="Where the CA may write to")] = ""
    directory_url: Annotated[str, Meta(description="The CA; Let's Encrypt by default")] = (
        LETS_ENCRYPT
    )
    folder: Annotated[
        str | None,
        Meta(description="Keeps the account and the certificates over restarts; none if unset"),
    ] = None
    challenge: Annotated[
        Literal["tls-alpn-01", "http-01"],
        Meta(description="tls-alpn-01 is answered at this listener, which must be at port 443"),
    ] = "tls-alpn-01"
    http_address: Annotated[
        str, Meta(description="Where http-01 is answered; the CA asks at port 80")
    ] = "[::]:80"
    ca_file: Annotated[
        str | None, Meta(description="Whom to trust at the CA's directory, if it is private")
    ] = None

    def __post_init__(self) -> None:
        if not self.terms_agreed:
            raise InvalidSetting(
                "terms_agreed", "Read the CA's terms of service, then set this to true"
            )
        check_https("directory_url", self.directory_url)
        check(ListenAddress.parse, "http_address", self.http_address)
        for setting in ("folder", "ca_file"):
            path = getattr(self, setting)
            if path is not None:
                check_absolute(setting, path)


class TlsSettings(Settings, frozen=True):
    """Where the certificate comes from: two files, the own SVID, or ACME."""

    certificate: Annotated[
        str | None, Meta(description="A file, PEM, leaf first; an absolute path")
    ] = None
    key: Annotated[str | None, Meta(description="Its key, PEM; an absolute path")] = None
    interval_seconds: Annotated[
        float, Meta(description="How often the files are looked at", ge=0.1, le=86_400)
    ] = 5.0
    svid: OwnSvidSettings | None = None
    acme: AcmeSettings | None = None

    def __post_init__(self) -> None:
        ways = (self.certificate, self.svid, self.acme)
        if sum(way is not None for way in ways) != 1:
            raise InvalidSetting(
                "certificate", "Expected exactly one of `certificate` with `key`, `svid`, `acme`"
            )
        if (self.certificate is None) is not (self.key is None):
            raise InvalidSetting("key", "Expected `certificate` and `key` together")
        for setting in ("certificate", "key"):
            path = getattr(self, setting)
            if path is not None:
                check_absolute(setting, path)


class ListenSettings(Settings, frozen=True):
    """A listener: at an address, at a unix socket, or at one that systemd passes."""

    address: Annotated[
        str | None, Meta(description="IP address and port: 127.0.0.1:8080, [::]:443")
    ] = None
    socket: Annotated[str | None, Meta(description="A unix socket instead, an absolute path")] = (
        None
    )
    systemd: Annotated[
        str | None,
        Meta(
            description="A socket that systemd passes instead, by its FileDescriptorName; * is"
            " the only one"
        ),
    ] = None
    socket_mode: Annotated[
        str, Meta(description="The unix socket's mode, octal in quotes", pattern=r"^0?[0-7]{3}\Z")
    ] = "0660"
    socket_user: Annotated[
        str, Meta(description="Its owner, a name or number; this process's user if empty")
    ] = ""
    socket_group: Annotated[
        str, Meta(description="Its group, a name or number; this process's group if empty")
    ] = ""
    tls: TlsSettings | None = None
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks, addresses or `unix`, whose X-Forwarded-Host or Forwarded counts;"
            " they must set it themselves"
        ),
    ] = ()
    drain_seconds: Annotated[
        float,
        Meta(description="How long requests may take to end when the service ends", gt=0, le=300),
    ] = 2.0
    request_seconds: Annotated[
        float,
        Meta(description="How long a request may take to arrive and be taken", gt=0, le=300),
    ] = 10.0
    idle_seconds: Annotated[
        float,
        Meta(description="How long a connection may wait for its next request", gt=0, le=3600),
    ] = 75.0
    max_connections: Annotated[
        int, Meta(description="Connections beyond this are closed", ge=1, le=1_000_000)
    ] = 10_000
    max_head_bytes: Annotated[
        int, Meta(description="A larger request head is refused", ge=1024, le=1_048_576)
    ] = 32_768

    def __post_init__(self) -> None:
        if sum(way is not None for way in (self.address, self.socket, self.systemd)) != 1:
            raise InvalidSetting(
                "address", "Expected exactly one of `address`, `socket` and `systemd`"
            )
        if self.address is not None:
            check(ListenAddress.parse, "address", self.address)
        if self.socket is not None:
            check_absolute("socket", self.socket)
        try:
            self.proxies()
        except BridgeError as error:
            raise InvalidSetting("trusted_proxies", error.message) from None

    def place(self) -> Place:
        """Where to listen."""
        if self.systemd is not None:
            return ActivatedAddress(None if self.systemd == "*" else self.systemd)
        if self.socket is not None:
            mode = int(self.socket_mode, 8)
            return UnixAddress(Path(self.socket), mode, self.socket_user, self.socket_group)
        return ListenAddress.parse(self.address or "")

    def proxies(self) -> TrustedProxies:
        """Whose word counts for the host that was asked for."""
        return TrustedProxies.parse(self.trusted_proxies)

    def limits(self) -> Limits:
        return Limits(
            self.request_seconds, self.idle_seconds, self.max_connections, self.max_head_bytes
        )
