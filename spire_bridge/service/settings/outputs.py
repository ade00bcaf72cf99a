"""Settings of one output of the helper: what it holds, where that goes, what follows."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.helper.program import signal_named
from spire_bridge.listen.address import ListenAddress
from spire_bridge.service.settings.base import NAME, Settings, check, check_absolute
from spire_bridge.service.settings.output_files import FileSettings, Mode, X509FilesSettings
from spire_bridge.service.settings.output_kinds import (
    AwsSettings,
    JwtBundlesSettings,
    JwtSettings,
    RolesAnywhereSettings,
    TemplateSettings,
    VaultSettings,
    X509Settings,
)

_KINDS = ("jwt", "x509", "jwt_bundles", "aws", "roles_anywhere", "vault")
_SERVED = frozenset({"jwt", "aws", "roles_anywhere"})


class PidFileSettings(Settings, frozen=True):
    """A process to signal, whose number stands in a file."""

    pid_file: Annotated[str, Meta(description="An absolute path")]
    signal: Annotated[str, Meta(description="Such as HUP")] = "HUP"

    def __post_init__(self) -> None:
        check_absolute("pid_file", self.pid_file)
        if signal_named(self.signal) is None:
            raise InvalidSetting("signal", f"This system knows no signal {self.signal!r}")


class AfterSettings(Settings, frozen=True):
    """What follows a change."""

    run: Annotated[tuple[str, ...], Meta(description="A program and its arguments; no shell")] = ()
    timeout_seconds: Annotated[
        float, Meta(description="How long it may take before it is killed", gt=0, le=3600)
    ] = 60.0
    signal: PidFileSettings | None = None


class EndpointSettings(Settings, frozen=True):
    """A listener on loopback, for programs that ask a URL for their credential."""

    address: Annotated[str, Meta(description="127.0.0.1:9911")]
    authorization: Annotated[
        FileSettings, Meta(description="The file with what a program has to send to be answered")
    ]

    def __post_init__(self) -> None:
        check(ListenAddress.parse, "address", self.address)
        if not ListenAddress.parse(self.address).is_loopback:
            raise InvalidSetting("address", "Expected an address of this machine, 127.0.0.1 or ::1")
        check_absolute("authorization.path", self.authorization.path)


class OutputSettings(Settings, frozen=True):
    """An output: one kind, and one file, or several under `files`, or an endpoint.

    A template is filled from `jwt`, from `x509` or from both.
    """

    name: Annotated[str, Meta(description="What it is called in logs and metrics", pattern=NAME)]
    jwt: JwtSettings | None = None
    x509: X509Settings | None = None
    jwt_bundles: JwtBundlesSettings | None = None
    aws: AwsSettings | None = None
    roles_anywhere: RolesAnywhereSettings | None = None
    vault: VaultSettings | None = None
    template: TemplateSettings | None = None
    path: Annotated[
        str | None, Meta(description="The file; an absolute path, or a plain name in `folder`")
    ] = None
    mode: Annotated[Mode | None, Meta(description="Its mode, octal in quotes; 0600 if unset")] = (
        None
    )
    user: Annotated[str, Meta(description="Its owner; this process's user if empty")] = ""
    group: Annotated[str, Meta(description="Its group; this process's group if empty")] = ""
    files: Annotated[X509FilesSettings | None, Meta(description="The files of an x509 output")] = (
        None
    )
    folder: Annotated[str | None, Meta(description="Which of `folders` the files are put into")] = (
        None
    )
    endpoint: Annotated[
        EndpointSettings | None,
        Meta(description="Where a jwt, aws or roles_anywhere output is served, instead of a file"),
    ] = None
    after: AfterSettings = AfterSettings()

    def __post_init__(self) -> None:
        self._check_kind()
        self._check_place()
        for file in self.all_files():
            if self.folder is None:
                check_absolute("path", file.path)
            elif "/" in file.path or file.path == "." or file.path.startswith(".."):
                raise InvalidSetting("path", "In a folder a file has a plain name")

    def kinds(self) -> tuple[str, ...]:
        """What it holds: one, but for a template."""
        return tuple(kind for kind in _KINDS if getattr(self, kind) is not None)

    def _check_kind(self) -> None:
        kinds = self.kinds()
        if self.template is not None:
            if not kinds or not set(kinds) <= {"jwt", "x509"}:
                raise InvalidSetting("template", "A template is filled from `jwt` and `x509`")
        elif len(kinds) != 1:
            names = ", ".join(f"`{kind}`" for kind in _KINDS)
            raise InvalidSetting("name", f"Expected exactly one of {names}")

    def _check_place(self) -> None:
        if self.endpoint is not None:
            if self.template is not None or not set(self.kinds()) <= _SERVED:
                raise InvalidSetting("endpoint", "Only jwt, aws and roles_anywhere can be served")
            if any((self.path, self.mode, self.user, self.group, self.files, self.folder)):
                raise InvalidSetting("endpoint", "What is served is not written: leave `path` out")
        elif self.x509 is not None and self.template is None:
            if self.files is None or self.path is not None:
                raise InvalidSetting("files", "An x509 output has `files`, and no `path`")
            self._check_stores(self.x509, self.files)
        elif self.path is None or self.files is not None:
            raise InvalidSetting("path", "This output has a `path`, and no `files`")

    def _check_stores(self, x509: X509Settings, files: X509FilesSettings) -> None:
        wanted = files.key_store is not None or files.trust_store is not None
        if wanted and x509.pkcs12 is None:
            raise InvalidSetting("x509.pkcs12", "Java's stores need a password_file")

    def all_files(self) -> tuple[FileSettings, ...]:
        """Each file, however it is written down."""
        if self.files is not None:
            return self.files.present()
        if self.endpoint is not None:
            return ()
        return (
            FileSettings(path=self.path or "", mode=self.mode, user=self.user, group=self.group),
        )
