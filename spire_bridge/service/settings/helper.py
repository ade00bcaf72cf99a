"""The settings of `spire-bridge helper`, as they stand in its YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from spire_bridge.config.yaml import InvalidSetting, load
from spire_bridge.helper.program import signal_named
from spire_bridge.listen.address import ListenAddress
from spire_bridge.service.settings.base import (
    Settings,
    check,
    check_absolute,
    check_different,
)
from spire_bridge.service.settings.listen import ListenSettings
from spire_bridge.service.settings.logs import LogSettings
from spire_bridge.service.settings.outputs import OutputSettings
from spire_bridge.workload.address import EndpointAddress


class AgentSettings(Settings, frozen=True):
    """The agent of this machine."""

    address: Annotated[
        str | None,
        Meta(
            description="Workload API: unix:///path/to/agent.sock, or tcp://ip:port;"
            " SPIFFE_ENDPOINT_SOCKET if unset"
        ),
    ] = None
    timeout_seconds: Annotated[
        float, Meta(description="How long the agent may take to answer", gt=0, le=300)
    ] = 10.0

    def __post_init__(self) -> None:
        if self.address is not None:
            check(EndpointAddress.parse, "address", self.address)


class FolderSettings(Settings, frozen=True):
    """A folder whose files change together, by a link `..data` as the kubelet's."""

    path: Annotated[str, Meta(description="An absolute path; its parent must be there")]
    mode: Annotated[
        str, Meta(description="Its mode, octal in quotes", pattern=r"^0?[0-7]{3}\Z")
    ] = "0755"
    user: Annotated[str, Meta(description="Its owner; this process's user if empty")] = ""
    group: Annotated[str, Meta(description="Its group; this process's group if empty")] = ""

    def __post_init__(self) -> None:
        check_absolute("path", self.path)


class ProgramSettings(Settings, frozen=True):
    """The program that uses the outputs, started once all of them are there."""

    command: Annotated[
        tuple[str, ...], Meta(description="The program and its arguments; no shell", min_length=1)
    ]
    signal: Annotated[
        str | None, Meta(description="What tells it of a change, such as HUP; nothing if unset")
    ] = None
    signal_for: Annotated[
        tuple[str, ...] | None,
        Meta(description="The outputs whose change it is told of, by name; all if unset"),
    ] = None
    restart: Annotated[
        Literal["never", "on-exit"],
        Meta(description="never: when it ends, the helper ends with its status"),
    ] = "never"
    stop_seconds: Annotated[
        float, Meta(description="How long it may take to end before it is killed", gt=0, le=3600)
    ] = 10.0

    def __post_init__(self) -> None:
        if self.signal is not None and signal_named(self.signal) is None:
            raise InvalidSetting("signal", f"This system knows no signal {self.signal!r}")


class HelperSettings(Settings, frozen=True):
    """Settings of `spire-bridge helper`."""

    outputs: Annotated[
        tuple[OutputSettings, ...], Meta(description="What is kept fresh", min_length=1)
    ]
    workload_api: AgentSettings = AgentSettings()
    folders: Annotated[
        tuple[FolderSettings, ...], Meta(description="Folders that outputs are put into")
    ] = ()
    allow_shared_folders: Annotated[
        bool,
        Meta(
            description="Whether files may lie in folders that everybody may write to and that"
            " are not sticky, as a pod's emptyDir"
        ),
    ] = False
    program: ProgramSettings | None = None
    health: Annotated[
        ListenSettings | None,
        Meta(
            description="Where /livez, /readyz, /status and /metrics are served; nowhere if unset"
        ),
    ] = None
    log: LogSettings = LogSettings()

    def __post_init__(self) -> None:
        check_different(
            "outputs", "Outputs must have different names", (o.name for o in self.outputs)
        )
        check_different("folders", "Folders must be different", (f.path for f in self.folders))
        folders = {folder.path for folder in self.folders}
        for output in self.outputs:
            if output.folder is not None and output.folder not in folders:
                raise InvalidSetting(
                    "outputs", f"{output.name}: {output.folder} is not in `folders`"
                )
        check_different("outputs", "Files must have different paths", self._paths())
        check_different("outputs", "Endpoints must have different addresses", self._addresses())
        for name in (self.program.signal_for or ()) if self.program else ():
            if name not in {output.name for output in self.outputs}:
                raise InvalidSetting("program", f"`signal_for` names no output: {name}")

    def served(self) -> tuple[OutputSettings, ...]:
        """The outputs that have a listener of their own."""
        return tuple(output for output in self.outputs if output.endpoint is not None)

    def _paths(self) -> Iterator[str]:
        for output in self.outputs:
            for file in output.all_files():
                yield str(Path(output.folder or "/") / file.path)
            if output.endpoint is not None:
                yield output.endpoint.authorization.path

    def _addresses(self) -> Iterator[str]:
        for output in self.served():
            if output.endpoint is not None:
                yield str(ListenAddress.parse(output.endpoint.address))


def load_helper_settings(path: Path) -> HelperSettings:
    """Reads the file. Raises `InvalidConfig` that names the line and the setting."""
    return load(path, HelperSettings)
