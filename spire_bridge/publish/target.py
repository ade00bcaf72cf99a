"""What every place that documents are published at offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from spire_bridge.errors import EXIT_UNAVAILABLE, EXIT_USAGE, BridgeError
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.publish.generation import Generation


class TargetBusy(BridgeError):
    """Another publisher has been writing to the target for too long."""

    code = "TARGET_BUSY"
    exit_status = EXIT_UNAVAILABLE


class InvalidPublishPath(BridgeError):
    """The issuer's path can't be a path of files."""

    code = "PUBLISH_PATH_INVALID"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication did: where documents were written, and where they stood already."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]


class Target(Protocol):
    """A place that documents are published at; each kind of store is one."""

    def publish(self, documents: Documents, generation: Generation) -> Publication:
        """Writes the documents that differ, the JWK set first. May block.

        Raises `PublicationOutdated` if the target has another set that is newer, and
        another `BridgeError` if it can't be written; the same call may then be repeated.
        """
        ...


def issuer_segments(issuer: IssuerUrl) -> tuple[str, ...]:
    """The issuer's path as names of folders. Raises `InvalidPublishPath`."""
    segments = tuple(unquote(segment) for segment in issuer.path.split("/")[1:])
    for segment in segments:
        if segment in ("", ".", "..") or "/" in segment or "\0" in segment:
            raise InvalidPublishPath(
                f"the path of issuer {issuer} can't be one of folders",
                hint="its segments must not be empty, `.` or `..`, nor have an encoded slash",
            )
    return segments
