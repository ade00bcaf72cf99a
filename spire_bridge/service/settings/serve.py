"""The settings of `spire-bridge serve`, as they stand in its YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from msgspec import Meta

from spire_bridge.config.yaml import InvalidSetting, load
from spire_bridge.service.settings.base import (
    NAME,
    Settings,
    check,
    check_absolute,
    check_different,
)
from spire_bridge.service.settings.issuer import IssuerSettings
from spire_bridge.service.settings.listen import ListenSettings
from spire_bridge.service.settings.logs import LogSettings
from spire_bridge.service.settings.publish import PublishSettings
from spire_bridge.service.settings.sources import SourceSettings
from spire_bridge.spiffe.id import TrustDomain

DEFAULT_LISTEN = "127.0.0.1:8080"
DEFAULT_HEALTH = "127.0.0.1:8081"
DAY_SECONDS = 86_400


class LastGoodSettings(Settings, frozen=True):
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
            check_absolute("path", self.path)


class OneIssuerSettings(Settings, frozen=True):
    """One of several issuers: its trust domain, its documents and where its keys come from."""

    name: Annotated[
        str,
        Meta(description="What the issuer is called in logs, metrics and /readyz", pattern=NAME),
    ]
    trust_domain: Annotated[str, Meta(description="The trust domain that the issuer speaks for")]
    issuer: IssuerSettings
    sources: Annotated[
        tuple[SourceSettings, ...],
        Meta(
            description="Agents of the trust domain (one for each cluster), its server, a file",
            min_length=1,
        ),
    ]
    last_good: LastGoodSettings = LastGoodSettings()
    publish: PublishSettings = PublishSettings()

    def __post_init__(self) -> None:
        check(TrustDomain.parse, "trust_domain", self.trust_domain)
        check_different(
            "sources", "Sources must have different names", (s.name for s in self.sources)
        )
        _check_one_url(self.issuer, self.publish)


class ServeSettings(Settings, frozen=True):
    """Settings of `spire-bridge serve`: one issuer, or several under `issuers`."""

    trust_domain: Annotated[
        str | None, Meta(description="The trust domain that the issuer speaks for")
    ] = None
    issuer: IssuerSettings | None = None
    sources: Annotated[
        tuple[SourceSettings, ...],
        Meta(description="Agents of the trust domain (one for each cluster), its server, a file"),
    ] = ()
    last_good: LastGoodSettings = LastGoodSettings()
    publish: PublishSettings = PublishSettings()
    issuers: Annotated[
        tuple[OneIssuerSettings, ...],
        Meta(
            description="Several issuers in one process, each with what otherwise stands above:"
            " trust_domain, issuer, sources, last_good, publish"
        ),
    ] = ()
    listen: ListenSettings = ListenSettings(address=DEFAULT_LISTEN)
    health: Annotated[
        ListenSettings, Meta(description="Where /livez, /readyz, /status and /metrics are served")
    ] = ListenSettings(address=DEFAULT_HEALTH)
    log: LogSettings = LogSettings()

    def __post_init__(self) -> None:
        if self.issuers:
            self._check_several()
        else:
            self._check_single()
        places = self.listen.place(), self.health.place()
        if places[0] == places[1] and not str(places[0]).endswith(":0"):
            raise InvalidSetting("health", "`listen` and `health` must have different addresses")

    def all_issuers(self) -> tuple[OneIssuerSettings, ...]:
        """The issuers, however they are written down; a single one is named by its trust domain."""
        if self.trust_domain is None or self.issuer is None:
            return self.issuers
        single = OneIssuerSettings(
            name=self.trust_domain,
            trust_domain=self.trust_domain,
            issuer=self.issuer,
            sources=self.sources,
            last_good=self.last_good,
            publish=self.publish,
        )
        return (single,)

    def _check_single(self) -> None:
        for setting in ("trust_domain", "issuer", "sources"):
            if not getattr(self, setting):
                raise InvalidSetting(setting, "This setting is missing")
        check(TrustDomain.parse, "trust_domain", self.trust_domain or "")
        check_different(
            "sources", "Sources must have different names", (s.name for s in self.sources)
        )
        if self.issuer is not None:
            _check_one_url(self.issuer, self.publish)

    def _check_several(self) -> None:
        for setting, default in _OF_ONE_ISSUER.items():
            if getattr(self, setting) != default:
                raise InvalidSetting(setting, "With `issuers`, each of them has this setting")
        check_different(
            "issuers", "Issuers must have different names", (i.name for i in self.issuers)
        )
        places = (place for i in self.issuers for place in _places(i.issuer))
        check_different("issuers", "Issuers must differ in host or path", places)
        copies = (i.last_good.path for i in self.issuers if i.last_good.path is not None)
        check_different("issuers", "Issuers must not share a last good copy", copies)


_OF_ONE_ISSUER: Mapping[str, object] = MappingProxyType(
    {
        "trust_domain": None,
        "issuer": None,
        "sources": (),
        "last_good": LastGoodSettings(),
        "publish": PublishSettings(),
    }
)


def _check_sources(sources: tuple[SourceSettings, ...]) -> None:
    names = (source.name for source in sources)
    check_different("sources", "Sources must have different names", names)


def _check_one_url(issuer: IssuerSettings, publish: PublishSettings) -> None:
    """A bucket or a folder has one discovery document, and so one URL."""
    if issuer.urls and publish.targets:
        raise InvalidSetting("publish", "Targets take an issuer of one `url`; make an issuer each")


def _places(issuer: IssuerSettings) -> tuple[str, ...]:
    """Where the documents are asked for."""
    return tuple(f"{url.host}{issuer.path or url.path}" for url in issuer.issuer_urls())


def load_serve_settings(path: Path) -> ServeSettings:
    """Reads the configuration file. Raises `InvalidConfig`."""
    return load(path, ServeSettings)


def needs_restart(running: ServeSettings, wanted: ServeSettings) -> tuple[str, ...]:
    """The changed settings that a reload can't put in force."""
    before, after = running.all_issuers(), wanted.all_issuers()
    if running.issuers or wanted.issuers:  # they go by their names
        after = tuple(one for old in before for one in after if one.name == old.name)
    pairs: list[tuple[str, object, object]] = [
        ("issuers", [i.name for i in running.issuers], [i.name for i in wanted.issuers]),
        ("listen", running.listen, wanted.listen),
        ("health", running.health, wanted.health),
        ("log", running.log, wanted.log),
    ]
    for old, new in zip(before, after, strict=False):
        pairs += [
            ("trust_domain", old.trust_domain, new.trust_domain),
            ("issuer.url", old.issuer.issuer_urls(), new.issuer.issuer_urls()),
            ("issuer.path", old.issuer.path, new.issuer.path),
            ("last_good.path", old.last_good.path, new.last_good.path),
        ]
    return tuple(dict.fromkeys(name for name, was, is_now in pairs if was != is_now))
