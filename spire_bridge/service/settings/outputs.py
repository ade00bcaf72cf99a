"""Settings of one output of the helper: what it holds, where that goes, what follows."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.files.owner import Owner
from spire_bridge.helper.identity import Identity
from spire_bridge.helper.program import signal_named
from spire_bridge.service.settings.base import NAME, Settings, check, check_absolute
from spire_bridge.spiffe.id import SpiffeId

Mode = Annotated[str, Meta(pattern=r"^0?[0-7]{3}\Z")]

# Who watches the certificates finds their key and the bundle in place.
_X509_FILES = ("bundle", "key", "certificates")
_PRIVATE = "0600"
_PUBLIC = "0644"


class IdentitySettings(Settings, frozen=True):
    """Which of the workload's identities; with neither, the one that the agent sends first."""

    spiffe_id: Annotated[str | None, Meta(description="By its SPIFFE ID")] = None
    hint: Annotated[str | None, Meta(description="By the hint of its registration entry")] = None

    def __post_init__(self) -> None:
        if self.spiffe_id is not None:
            check(SpiffeId.parse, "spiffe_id", self.spiffe_id)
        if self.spiffe_id is not None and self.hint is not None:
            raise InvalidSetting("hint", "Expected at most one of `spiffe_id` and `hint`")

    def identity(self) -> Identity:
        spiffe_id = SpiffeId.parse(self.spiffe_id) if self.spiffe_id is not None else None
        return Identity(spiffe_id, self.hint)


class JwtSettings(IdentitySettings, frozen=True):
    """A JWT-SVID, without a newline at its end."""

    audience: Annotated[tuple[str, ...], Meta(description="Whom it is for", min_length=1)] = ()

    def __post_init__(self) -> None:
        IdentitySettings.__post_init__(self)
        if not self.audience or not all(self.audience):
            raise InvalidSetting("audience", "Expected at least one audience, and none empty")


class X509Settings(IdentitySettings, frozen=True):
    """An X.509-SVID, its key and its bundle, in PEM."""

    intermediates: Annotated[
        Literal["certificates", "bundle"],
        Meta(description="Which file holds the intermediate certificates"),
    ] = "certificates"
    federated: Annotated[
        bool, Meta(description="Whether the bundle holds those of federated trust domains too")
    ] = False
    omit_expired: Annotated[bool, Meta(description="Whether expired certificates are left out")] = (
        False
    )


class JwtBundlesSettings(Settings, frozen=True):
    """The JWT bundles of the own and the federated trust domains, in JSON."""


class FileSettings(Settings, frozen=True):
    """A file: its path, its mode whatever the umask, its owner."""

    path: Annotated[
        str, Meta(description="An absolute path; a plain name in a folder", min_length=1)
    ]
    mode: Annotated[
        Mode | None, Meta(description="Octal in quotes; 0644 for certificates, else 0600")
    ] = None
    user: Annotated[str, Meta(description="A name or number; this process's if empty")] = ""
    group: Annotated[str, Meta(description="A name or number; this process's if empty")] = ""

    def mode_bits(self) -> int:
        return int(self.mode or _PRIVATE, 8)

    def owner(self) -> Owner:
        """Raises `OwnerFailure`."""
        return Owner.of(self.user, self.group)


class X509FilesSettings(Settings, frozen=True):
    """The files of an X.509-SVID, each if it is wanted."""

    certificates: FileSettings | None = None
    key: FileSettings | None = None
    bundle: FileSettings | None = None

    def __post_init__(self) -> None:
        if not self.names():
            raise InvalidSetting("certificates", "Expected at least one file")

    def names(self) -> tuple[str, ...]:
        """What is wanted, in the order in which it is written."""
        return tuple(name for name in _X509_FILES if getattr(self, name) is not None)

    def present(self) -> tuple[FileSettings, ...]:
        """Each file with its mode: a key is for its owner, certificates are for everybody."""
        modes = {name: _PRIVATE if name == "key" else _PUBLIC for name in _X509_FILES}
        files = {name: getattr(self, name) for name in self.names()}
        return tuple(replace(f, mode=f.mode or modes[name]) for name, f in files.items())


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


class OutputSettings(Settings, frozen=True):
    """An output: exactly one kind, and one file, or several under `files`."""

    name: Annotated[str, Meta(description="What it is called in logs and metrics", pattern=NAME)]
    jwt: JwtSettings | None = None
    x509: X509Settings | None = None
    jwt_bundles: JwtBundlesSettings | None = None
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
    after: AfterSettings = AfterSettings()

    def __post_init__(self) -> None:
        kinds = (self.jwt, self.x509, self.jwt_bundles)
        if sum(kind is not None for kind in kinds) != 1:
            raise InvalidSetting("name", "Expected exactly one of `jwt`, `x509`, `jwt_bundles`")
        if self.x509 is not None and (self.files is None or self.path is not None):
            raise InvalidSetting("files", "An x509 output has `files`, and no `path`")
        if self.x509 is None and (self.path is None or self.files is not None):
            raise InvalidSetting("path", "This output has a `path`, and no `files`")
        for file in self.all_files():
            if self.folder is None:
                check_absolute("path", file.path)
            elif "/" in file.path or file.path == "." or file.path.startswith(".."):
                raise InvalidSetting("path", "In a folder a file has a plain name")

    def all_files(self) -> tuple[FileSettings, ...]:
        """Each file, however it is written down."""
        if self.files is not None:
            return self.files.present()
        return (
            FileSettings(path=self.path or "", mode=self.mode, user=self.user, group=self.group),
        )
