"""From an output's settings to the output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from spire_bridge.helper.contents import JwtBundlesContent, JwtContent, X509Content
from spire_bridge.helper.edition import Content
from spire_bridge.helper.follow_up import RunCommand, SignalPidFile
from spire_bridge.helper.output import FollowUp, Output
from spire_bridge.helper.places import FilePlace, Files, Folder, FolderFiles, Place
from spire_bridge.helper.program import signal_named
from spire_bridge.service.helping.rendering import X509Rendering, bundles_file, raw_token
from spire_bridge.service.helping.sources import AgentSources
from spire_bridge.service.settings.helper import FolderSettings
from spire_bridge.service.settings.outputs import AfterSettings, FileSettings, OutputSettings


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
        self._folders = {folder.path: _folder(folder, allow_shared) for folder in folders}

    def build(self, settings: OutputSettings, *more: FollowUp) -> Output:
        """Raises `OwnerFailure` for a user or group that there is none of."""
        return Output(
            settings.name,
            self._content(settings),
            self._place(settings),
            (*_follow_ups(settings.after), *more),
        )

    def _content(self, settings: OutputSettings) -> Content:
        sources = self._sources
        if settings.jwt is not None:
            tokens = sources.tokens.of(settings.jwt.audience, settings.jwt.identity())
            return JwtContent(tokens, raw_token)
        if settings.jwt_bundles is not None:
            return JwtBundlesContent(sources.jwt_bundles, bundles_file)
        assert settings.x509 is not None
        assert settings.files is not None
        rendering = X509Rendering.of(settings.x509, settings.files, sources.clock)
        return X509Content(sources.x509, settings.x509.identity(), rendering, clock=sources.clock)

    def _place(self, settings: OutputSettings) -> Place:
        files = tuple(_file(file) for file in settings.all_files())
        if settings.folder is None:
            return Files(files, self._allow_shared)
        return FolderFiles(self._folders[settings.folder], files)


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
