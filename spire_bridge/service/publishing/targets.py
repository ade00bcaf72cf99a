"""From settings to the targets that they name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.issuer.url import IssuerUrl
from spire_bridge.publish.directory import DirectoryTarget, issuer_folder
from spire_bridge.publish.target import Target, issuer_segments
from spire_bridge.service.settings.serve import OneIssuerSettings, ServeSettings

if TYPE_CHECKING:
    from spire_bridge.publish.read_back import PublicUrl
    from spire_bridge.service.settings.publish import TargetSettings

DIRECTORY = "directory"  # the name of the target that --directory makes


class NoTarget(BridgeError):
    """Nobody said where to publish."""

    code = "NO_TARGET"
    exit_status = EXIT_USAGE


class TargetsCollide(BridgeError):
    """Two issuers would write the same documents' places."""

    code = "TARGETS_COLLIDE"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class NamedTarget:
    """A target of one issuer, for its URL `url`, and where its readers find it if that is known."""

    name: str
    url: IssuerUrl
    target: Target
    public: PublicUrl | None = None


def configured_targets(
    settings: ServeSettings, directory: Path | None = None
) -> dict[str, tuple[NamedTarget, ...]]:
    """The targets of each issuer, by its name; `directory` takes the place of all of them.

    Raises `NoTarget`, `TargetsCollide`, `InvalidPublishPath`, and what a bucket's settings
    are refused with.
    """
    issuers = settings.all_issuers()
    if directory is not None:
        found = {one.name: tuple(_in_directory(one, directory)) for one in issuers}
        _check_apart(found)
        return found
    found = {one.name: tuple(_of(target, one) for target in one.publish.targets) for one in issuers}
    if not any(found.values()):
        raise NoTarget(
            "there is nowhere to publish to",
            hint="name a directory with --directory, or targets under `publish` in the"
            " configuration",
        )
    return found


def _in_directory(settings: OneIssuerSettings, directory: Path) -> Iterator[NamedTarget]:
    for url in settings.issuer.issuer_urls():
        yield NamedTarget(DIRECTORY, url, DirectoryTarget(issuer_folder(directory, url)))


def _check_apart(found: dict[str, tuple[NamedTarget, ...]]) -> None:
    folders: dict[Path, str] = {}
    for name, targets in found.items():
        for one in targets:
            assert isinstance(one.target, DirectoryTarget)
            other = folders.setdefault(one.target.path, f"{name} ({one.url})")
            if other != f"{name} ({one.url})":
                raise TargetsCollide(
                    f"issuers {other} and {name} ({one.url}) have the same path",
                    hint="give each a directory of its own, under `publish` in the configuration",
                )


def _of(settings: TargetSettings, issuer: OneIssuerSettings) -> NamedTarget:
    (url,) = issuer.issuer.issuer_urls()  # as the settings have seen to
    public: PublicUrl | None = None
    if settings.public_url is not None:
        from spire_bridge.publish.read_back import PublicUrl  # only where it is configured

        public = PublicUrl(settings.public_url)
    return NamedTarget(settings.name, url, _target(settings, url), public)


def _target(settings: TargetSettings, url: IssuerUrl) -> Target:
    if settings.directory is not None:
        return DirectoryTarget(issuer_folder(Path(settings.directory.path), url))
    from spire_bridge.publish.bucket import BucketTarget  # only where one is configured
    from spire_bridge.publish.object_store import azure_objects, gcs_objects, s3_objects

    def prefix(given: str | None) -> str:
        return "/".join(issuer_segments(url)) if given is None else given

    if (s3 := settings.s3) is not None:
        objects = s3_objects(
            s3.bucket,
            prefix(s3.prefix),
            region=s3.region,
            endpoint=s3.endpoint,
            allow_http=s3.allow_http,
        )
    elif (azure := settings.azure) is not None:
        objects = azure_objects(
            azure.account,
            azure.container,
            prefix(azure.prefix),
            endpoint=azure.endpoint,
            allow_http=azure.allow_http,
        )
    else:
        assert settings.gcs is not None
        objects = gcs_objects(settings.gcs.bucket, prefix(settings.gcs.prefix))
    return BucketTarget(objects)
