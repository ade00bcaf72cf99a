"""Settings of the places that a trust domain's keys come from."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.server_api.address import ServerAddress
from spire_bridge.service.settings.base import NAME, Settings, check, check_absolute
from spire_bridge.workload.address import EndpointAddress


class WorkloadApiSettings(Settings, frozen=True):
    """An agent's Workload API."""

    address: Annotated[
        str, Meta(description="unix:///path/to/agent.sock, or tcp://ip:port", min_length=1)
    ]
    timeout_seconds: Annotated[
        float, Meta(description="How long the agent may take to answer", gt=0, le=300)
    ] = 10.0
    watch_signing: Annotated[
        bool,
        Meta(
            description="Whether to fetch a token now and then, to see which key the agent's"
            " tokens are signed with; it is shown to nobody"
        ),
    ] = True

    def __post_init__(self) -> None:
        check(EndpointAddress.parse, "address", self.address)


class ServerApiSettings(Settings, frozen=True):
    """A SPIRE server: GetBundle, which alone tells expiry and taint.

    A server elsewhere is trusted by a bundle on disk or by an agent: exactly one of the two.
    """

    address: Annotated[
        str,
        Meta(description="unix:///path/to/spire-server/api.sock, or tls://host:port", min_length=1),
    ]
    bootstrap_bundle: Annotated[
        str | None,
        Meta(
            description="What a server elsewhere is trusted by until it has told its authorities:"
            " PEM certificates or a SPIFFE bundle document; an absolute path"
        ),
    ] = None
    bundle_cache: Annotated[
        str | None,
        Meta(description="A file that keeps over a restart what authorities the server has told"),
    ] = None
    workload_api: Annotated[
        str | None,
        Meta(
            description="Or an agent, unix:///path/to/agent.sock: its bundle is what the server is"
            " trusted by, and this process's X.509-SVID is shown to it"
        ),
    ] = None
    interval_seconds: Annotated[
        float, Meta(description="How often the server is asked", ge=0.5, le=3600)
    ] = 10.0
    timeout_seconds: Annotated[
        float, Meta(description="How long the server may take to answer", gt=0, le=300)
    ] = 10.0

    def __post_init__(self) -> None:
        check(ServerAddress.parse, "address", self.address)
        for setting in ("bootstrap_bundle", "bundle_cache"):
            if (path := getattr(self, setting)) is not None:
                check_absolute(setting, path)
        if self.workload_api is not None:
            check(EndpointAddress.parse, "workload_api", self.workload_api)
        self._check_trust()

    def _check_trust(self) -> None:
        given = [s for s in ("bootstrap_bundle", "workload_api") if getattr(self, s) is not None]
        if self.bundle_cache is not None and "bootstrap_bundle" not in given:
            raise InvalidSetting("bundle_cache", "Expected `bootstrap_bundle` besides")
        if ServerAddress.parse(self.address).remote is None:
            if given:
                raise InvalidSetting(given[0], "Expected an address that starts with tls://")
        elif len(given) != 1:
            raise InvalidSetting(
                "address",
                "A server elsewhere needs exactly one of `bootstrap_bundle`, `workload_api`",
            )


class FileSettings(Settings, frozen=True):
    """A SPIFFE bundle document on disk, taken up when it is replaced."""

    path: Annotated[str, Meta(description="The file, an absolute path")]
    interval_seconds: Annotated[
        float, Meta(description="How often the file is looked at", ge=0.1, le=3600)
    ] = 0.5

    def __post_init__(self) -> None:
        check_absolute("path", self.path)


class SourceSettings(Settings, frozen=True):
    """A place that the trust domain's keys come from: exactly one of the kinds."""

    name: Annotated[
        str,
        Meta(
            description="What the source is called in logs, metrics and /readyz",
            pattern=NAME,
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
