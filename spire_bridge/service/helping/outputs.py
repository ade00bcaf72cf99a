"""From an output's settings to the output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from spire_bridge.helper.follow_up import RunCommand, SignalPidFile
from spire_bridge.helper.output import FollowUp, Output
from spire_bridge.helper.places import FilePlace, Files, Folder, FolderFiles, Place
from spire_bridge.helper.program import signal_named
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Handler
from spire_bridge.service.helping.endpoints import credentials_endpoint, token_endpoint
from spire_bridge.service.helping.kinds import content_of
from spire_bridge.service.helping.sources import AgentSources
from spire_bridge.service.settings.helper import FolderSettings
from spire_bridge.service.settings.output_files import FileSettings
from spire_bridge.service.settings.outputs import (
    AfterSettings,
    EndpointSettings,
    OutputSettings,
)


class OutputBuilder:
    """Makes outputs that share an agent's answers and the folders of one process."""

    def __init__(
        self,
        sources: AgentSources,
        folders: Iterable[FolderSettings] = (),
        *,
        allow_shared: bool = False,
    ) -> None:
        self._sources = sources
        self._allow_shared = allow_shared
        self._endpoints: dict[ListenAddress, Handler] = {}
        self._folders = {folder.path: _folder(folder, allow_shared) for folder in folders}

    def build(self, settings: OutputSettings, *more: FollowUp) -> Output:
        """Raises `OwnerFailure` for an unknown user or group, and what its kind raises."""
        return Output(
            settings.name,
            content_of(settings, self._sources),
            self._place(settings),
            (*_follow_ups(settings.after), *more),
        )

    def endpoints(self) -> Mapping[ListenAddress, Handler]:
        """Who answers where, for the outputs built so far that are served."""
        return dict(self._endpoints)

    def _place(self, settings: OutputSettings) -> Place:
        if settings.endpoint is not None:
            return self._served(settings, settings.endpoint)
        files = tuple(_file(file) for file in settings.all_files())
        if settings.folder is None:
            return Files(files, self._allow_shared)
        return FolderFiles(self._folders[settings.folder], files)

    def _served(self, settings: OutputSettings, wanted: EndpointSettings) -> Place:
        make = token_endpoint if settings.jwt is not None else credentials_endpoint
        endpoint = make(_file(wanted.authorization), self._allow_shared, self._sources.clock)
        self._endpoints[ListenAddress.parse(wanted.address)] = endpoint.handler
        return endpoint.place


def _folder(settings: FolderSettings, allow_shared: bool) -> Folder:
    owner = FileSettings(path=settings.path, user=settings.user, group=settings.group).owner()
    return Folder(
        Path(settings.path), mode=int(settings.mode, 8), owner=owner, allow_shared=allow_shared
    )


def _file(settings: FileSettings) -> FilePlace:
    return FilePlace(Path(settings.path), settings.mode_bits(), settings.owner())


def _follow_ups(settings: AfterSettings) -> Sequence[FollowUp]:
    follow_ups: list[FollowUp] = []
    if settings.run:
        follow_ups.append(RunCommand(settings.run, settings.timeout_seconds))
    if settings.signal is not None:
        number = signal_named(settings.signal.signal)
        assert number is not None
        follow_ups.append(SignalPidFile(Path(settings.signal.pid_file), number))
    return follow_ups
