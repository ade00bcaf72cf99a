"""Settings of the files that an output is written to."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.files.owner import Owner
from spire_bridge.service.settings.base import Settings

Mode = Annotated[str, Meta(pattern=r"^0?[0-7]{3}\Z")]

PRIVATE = "0600"
_PUBLIC = "0644"

# Who watches the certificates finds their key and the bundle in place.
_X509_FILES = ("bundle", "trust_store", "key", "combined", "key_store", "certificates")
_SECRET = frozenset({"key", "combined", "key_store"})


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
        return int(self.mode or PRIVATE, 8)

    def owner(self) -> Owner:
        """Raises `OwnerFailure`."""
        return Owner.of(self.user, self.group)


class X509FilesSettings(Settings, frozen=True):
    """The files of an X.509-SVID, each if it is wanted."""

    certificates: FileSettings | None = None
    key: FileSettings | None = None
    bundle: FileSettings | None = None
    combined: Annotated[
        FileSettings | None,
        Meta(description="Certificates and key in one file, as haproxy reads it"),
    ] = None
    key_store: Annotated[
        FileSettings | None, Meta(description="Certificates and key in PKCS#12, for Java")
    ] = None
    trust_store: Annotated[
        FileSettings | None, Meta(description="The bundle in PKCS#12, for Java")
    ] = None

    def __post_init__(self) -> None:
        if not self.names():
            raise InvalidSetting("certificates", "Expected at least one file")

    def names(self) -> tuple[str, ...]:
        """What is wanted, in the order in which it is written."""
        return tuple(name for name in _X509_FILES if getattr(self, name) is not None)

    def present(self) -> tuple[FileSettings, ...]:
        """Each file with its mode: what holds a key is for its owner, the rest for everybody."""
        modes = {name: PRIVATE if name in _SECRET else _PUBLIC for name in _X509_FILES}
        files = {name: getattr(self, name) for name in self.names()}
        return tuple(replace(f, mode=f.mode or modes[name]) for name, f in files.items())
