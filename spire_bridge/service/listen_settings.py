"""Settings of a listener: where it is, and its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.listen.address import ListenAddress, UnixAddress
from spire_bridge.service.settings_base import Settings, check, check_absolute


class TlsSettings(Settings, frozen=True):
    """A certificate and its key on disk, taken up when they change."""

    certificate: Annotated[str, Meta(description="PEM, leaf first; an absolute path")]
    key: Annotated[str, Meta(description="PEM; an absolute path")]
    interval_seconds: Annotated[
        float, Meta(description="How often the files are looked at", ge=0.1, le=86_400)
    ] = 5.0

    def __post_init__(self) -> None:
        check_absolute("certificate", self.certificate)
        check_absolute("key", self.key)


class ListenSettings(Settings, frozen=True):
    """A listener, at an address or at a unix socket, with TLS or without."""

    address: Annotated[
        str | None, Meta(description="IP address and port: 127.0.0.1:8080, [::]:443")
    ] = None
    socket: Annotated[str | None, Meta(description="A unix socket instead, an absolute path")] = (
        None
    )
    socket_mode: Annotated[
        str, Meta(description="The socket's mode, octal in quotes", pattern=r"^0?[0-7]{3}\Z")
    ] = "0660"
    tls: TlsSettings | None = None

    def __post_init__(self) -> None:
        if (self.address is None) is (self.socket is None):
            raise InvalidSetting("address", "Expected exactly one of `address` and `socket`")
        if self.address is not None:
            check(ListenAddress.parse, "address", self.address)
        if self.socket is not None:
            check_absolute("socket", self.socket)

    def place(self) -> ListenAddress | UnixAddress:
        """Where to listen."""
        if self.socket is not None:
            return UnixAddress(Path(self.socket), int(self.socket_mode, 8))
        return ListenAddress.parse(self.address or "")
