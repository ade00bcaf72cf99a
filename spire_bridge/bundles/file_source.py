"""A SPIFFE bundle document in a file as a source of its trust domain's bundle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spire_bridge.bundles.polled import Polled
from spire_bridge.bundles.source import StateListener
from spire_bridge.errors import EXIT_UNAVAILABLE
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.jose.key_set import MAX_KEY_SET_BYTES
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain

DEFAULT_INTERVAL_SECONDS = 0.5


class BundleFileMissing(FileFailure):
    """There is no file at the path; one may come."""

    code = "BUNDLE_FILE_MISSING"
    exit_status = EXIT_UNAVAILABLE


class BundleRollback(InvalidBundle):
    """A bundle is older than one that was seen before."""

    code = "BUNDLE_ROLLBACK"


@dataclass(frozen=True, slots=True)
class FileSource:
    """Reads the SPIFFE bundle document of `trust_domain` at `path`, again at every change.

    The file is looked at every `interval_seconds`. Content that is refused, such as a
    half-written document, is an error in the state, and the last good bundle stays; so it
    does while the file is missing or can't be read. A document whose sequence number is
    lower than one that this watch has taken is refused: someone has put back an old one.
    """

    authoritative: ClassVar[bool] = False

    name: str
    path: Path
    trust_domain: TrustDomain
    interval_seconds: float = DEFAULT_INTERVAL_SECONDS

    async def watch(self, on_state: StateListener) -> AsyncGenerator[Bundle, None]:
        polled = Polled(self.name, on_state)
        seen: _Version | None = None
        newest = 0  # the highest sequence number so far
        while True:
            try:
                # Looked at before it is read: a change in between is seen at the next look.
                version = await asyncio.to_thread(_version, self.path)
                changed = version != seen
                bundle = await asyncio.to_thread(self._read, newest) if changed else None
            except InvalidBundle as error:
                seen = version
                polled.refused(error)
            except FileFailure as error:
                seen = None
                polled.lost(error)
            else:
                seen = version
                if bundle is not None:
                    newest = max(newest, bundle.sequence or 0)
                    if polled.told(bundle):
                        yield bundle
            await asyncio.sleep(self.interval_seconds)

    def _read(self, newest: int) -> Bundle:
        data = read_limited(self.path, max_bytes=MAX_KEY_SET_BYTES)
        bundle = Bundle.from_document(self.trust_domain, data)
        if bundle.sequence is not None and bundle.sequence < newest:
            raise BundleRollback(
                f"{self.path} has sequence number {bundle.sequence}, but {newest} was seen before",
                hint="an old bundle was put back; restart to take it all the same",
            )
        return bundle


@dataclass(frozen=True, slots=True)
class _Version:
    """What differs when a file was replaced or written to, or its mode was changed."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def _version(path: Path) -> _Version:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise BundleFileMissing(
            f"there is no file at {path}", hint="it is taken as soon as it appears"
        ) from None
    except OSError as error:
        raise FileFailure(f"{path} can't be read: {error.strerror}") from None
    except ValueError:  # a null byte in the name
        raise FileFailure(f"{path} can't be read: that names no file") from None
    return _Version(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
