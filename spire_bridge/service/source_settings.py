"""Settings of the places that a trust domain's keys come from."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.server_api.address import ServerAddress
from spire_bridge.service.settings_base import NAME, Settings, check, check_absolute
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
    """A SPIRE server's own socket: GetBundle, which alone tells expiry and taint."""

    address: Annotated[str, Meta(description="unix:///path/to/spire-server/api.sock", min_length=1)]
    interval_seconds: Annotated[
        float, Meta(description="How often the server is asked", ge=0.5, le=3600)
    ] = 10.0
    timeout_seconds: Annotated[
        float, Meta(description="How long the server may take to answer", gt=0, le=300)
    ] = 10.0

    def __post_init__(self) -> None:
        check(ServerAddress.parse, "address", self.address)


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
