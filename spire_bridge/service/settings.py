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
from spire_bridge.listen.address import ListenAddress
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


class SourceSettings(_Settings, frozen=True):
    """A place that the trust domain's keys come from."""

    name: Annotated[
        str,
        Meta(
            description="What the source is called in logs, metrics and /readyz",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z",
        ),
    ]
    workload_api: WorkloadApiSettings


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


class ListenSettings(_Settings, frozen=True):
    """A listener."""

    address: Annotated[str, Meta(description="IP address and port: 127.0.0.1:8080, [::]:443")]

    def __post_init__(self) -> None:
        _check(ListenAddress.parse, "address", self.address)


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
        if self.path is not None and not Path(self.path).is_absolute():
            raise InvalidSetting("path", "Expected an absolute path")


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
        Meta(description="Agents of the trust domain, one for each cluster", min_length=1),
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
        if self.listen.address == self.health.address and not self.listen.address.endswith(":0"):
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
