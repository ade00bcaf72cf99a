"""The settings of `spire-bridge serve`, as they stand in its YAML file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from spire_bridge.config.yaml import InvalidSetting, load
from spire_bridge.errors import BridgeError
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.listen.address import ListenAddress, UnixAddress
from spire_bridge.server_api.address import ServerAddress
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.workload.address import EndpointAddress

DEFAULT_LISTEN = "127.0.0.1:8080"
DEFAULT_HEALTH = "127.0.0.1:8081"
DAY_SECONDS = 86_400


def _check(parse: Callable[[str], object], setting: str, text: str) -> None:
    """Has a value's own parser judge it."""
    try:
        parse(text)
    except BridgeError as error:
        advice = f" ({error.hint})" if error.hint else ""
        raise InvalidSetting(setting, f"{error.message}{advice}") from None


def _check_absolute(setting: str, text: str) -> None:
    if not Path(text).is_absolute():
        raise InvalidSetting(setting, "Expected an absolute path")


class _Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings are immutable, and an unknown one is an error."""


class WorkloadApiSettings(_Settings, frozen=True):
    """An agent's Workload API."""

    address: Annotated[
        str, Meta(description="unix:///path/to/agent.sock, or tcp://ip:port", min_length=1)
    ]
    timeout_seconds: Annotated[
        float, Meta(description="How long the agent may take to answer", gt=0, le=300)
    ] = 10.0

    def __post_init__(self) -> None:
        _check(EndpointAddress.parse, "address", self.address)


class ServerApiSettings(_Settings, frozen=True):
    """A SPIRE server's own socket: GetBundle, which alone tells expiry and taint."""

    address: Annotated[str, Meta(description="unix:///path/to/spire-server/api.sock", min_length=1)]
    interval_seconds: Annotated[
        float, Meta(description="How often the server is asked", ge=0.5, le=3600)
    ] = 10.0
    timeout_seconds: Annotated[
        float, Meta(description="How long the server may take to answer", gt=0, le=300)
    ] = 10.0

    def __post_init__(self) -> None:
        _check(ServerAddress.parse, "address", self.address)


class FileSettings(_Settings, frozen=True):
    """A SPIFFE bundle document on disk, taken up when it is replaced."""

    path: Annotated[str, Meta(description="The file, an absolute path")]
    interval_seconds: Annotated[
        float, Meta(description="How often the file is looked at", ge=0.1, le=3600)
    ] = 0.5

    def __post_init__(self) -> None:
        _check_absolute("path", self.path)


class SourceSettings(_Settings, frozen=True):
    """A place that the trust domain's keys come from: exactly one of the kinds."""

    name: Annotated[
        str,
        Meta(
            description="What the source is called in logs, metrics and /readyz",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z",
        ),
    ]
    workload_api: WorkloadApiSettings | None = None
    server_api: ServerApiSettings | None = None
    file: FileSettings | None = None

    def __post_init__(self) -> None:
        kinds = (self.workload_api, self.server_api, self.file)
        if sum(kind is not None for kind in kinds) != 1:
            raise InvalidSetting(
                "name",
                f"Source {self.name!r} needs exactly one of `workload_api`, `server_api`, `file`",
            )


class IssuerSettings(_Settings, frozen=True):
    """The OIDC issuer."""

    url: Annotated[
        str,
        Meta(description="The issuer, exactly as it stands in the tokens' iss claim", min_length=1),
    ]
    cache_seconds: Annotated[
        int, Meta(description="How long verifiers may keep the documents", ge=0, le=DAY_SECONDS)
    ] = 300

    def __post_init__(self) -> None:
        _check(IssuerUrl.parse, "url", self.url)


class TlsSettings(_Settings, frozen=True):
    """A certificate and its key on disk, taken up when they change."""

    certificate: Annotated[str, Meta(description="PEM, leaf first; an absolute path")]
    key: Annotated[str, Meta(description="PEM; an absolute path")]
    interval_seconds: Annotated[
        float, Meta(description="How often the files are looked at", ge=0.1, le=86_400)
    ] = 5.0

    def __post_init__(self) -> None:
        _check_absolute("certificate", self.certificate)
        _check_absolute("key", self.key)


class ListenSettings(_Settings, frozen=True):
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
            _check(ListenAddress.parse, "address", self.address)
        if self.socket is not None:
            _check_absolute("socket", self.socket)

    def place(self) -> ListenAddress | UnixAddress:
        """Where to listen."""
        if self.socket is not None:
            return UnixAddress(Path(self.socket), int(self.socket_mode, 8))
        return ListenAddress.parse(self.address or "")


class LastGoodSettings(_Settings, frozen=True):
    """What holds while every source is away."""

    path: Annotated[
        str | None,
        Meta(description="A file that keeps the last good bundle over a restart; none if unset"),
    ] = None
    max_age_seconds: Annotated[
        int,
        Meta(
            description="Readiness fails once the bundle has not been confirmed for this long",
            ge=1,
            le=30 * DAY_SECONDS,
        ),
    ] = DAY_SECONDS

    def __post_init__(self) -> None:
        if self.path is not None:
            _check_absolute("path", self.path)


class LogSettings(_Settings, frozen=True):
    """Logging, on standard error."""

    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="auto is text on a terminal and json elsewhere"),
    ] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class ServeSettings(_Settings, frozen=True):
    """Settings of `spire-bridge serve`."""

    trust_domain: Annotated[str, Meta(description="The trust domain that the issuer speaks for")]
    issuer: IssuerSettings
    sources: Annotated[
        tuple[SourceSettings, ...],
        Meta(
            description="Agents of the trust domain (one for each cluster), its server, a file",
            min_length=1,
        ),
    ]
    listen: ListenSettings = ListenSettings(address=DEFAULT_LISTEN)
    health: Annotated[
        ListenSettings, Meta(description="Where /livez, /readyz and /metrics are served")
    ] = ListenSettings(address=DEFAULT_HEALTH)
    last_good: LastGoodSettings = LastGoodSettings()
    log: LogSettings = LogSettings()

    def __post_init__(self) -> None:
        _check(TrustDomain.parse, "trust_domain", self.trust_domain)
        names = Counter(source.name for source in self.sources)
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise InvalidSetting(
                "sources", f"Sources must have different names; twice: {', '.join(twice)}"
            )
        places = self.listen.place(), self.health.place()
        if places[0] == places[1] and not str(places[0]).endswith(":0"):
            raise InvalidSetting("health", "`listen` and `health` must have different addresses")


def load_serve_settings(path: Path) -> ServeSettings:
    """Reads the configuration file. Raises `InvalidConfig`."""
    return load(path, ServeSettings)


def needs_restart(running: ServeSettings, wanted: ServeSettings) -> tuple[str, ...]:
    """The changed settings that a reload can't put in force."""
    pairs = {
        "trust_domain": (running.trust_domain, wanted.trust_domain),
        "issuer.url": (running.issuer.url, wanted.issuer.url),
        "listen": (running.listen, wanted.listen),
        "health": (running.health, wanted.health),
        "last_good.path": (running.last_good.path, wanted.last_good.path),
        "log": (running.log, wanted.log),
    }
    return tuple(name for name, (before, after) in pairs.items() if before != after)
