"""Settings of `publish`: the targets that an issuer's documents go to."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from spire_bridge.config.yaml import InvalidSetting
from spire_bridge.service.settings.base import (
    NAME,
    Settings,
    check_absolute,
    check_different,
)

Bucket = Annotated[str, Meta(min_length=1, pattern=r"^[^/]+\Z")]
Prefix = Annotated[
    str,
    Meta(
        description="Where in the bucket the documents lie: some/path, or empty for its root;"
        " by default the path of the issuer's URL",
        pattern=r"^([^/]+(/[^/]+)*)?\Z",
    ),
]
Endpoint = Annotated[
    str,
    Meta(
        description="The URL of another store that speaks the same protocol",
        pattern=r"^https?://[^/]",
    ),
]
AllowHttp = Annotated[bool, Meta(description="Whether the endpoint may be asked without TLS")]


class DirectorySettings(Settings, frozen=True):
    """Files, for a web server or a tool that copies them."""

    path: Annotated[
        str,
        Meta(
            description="The root of the issuer's host; the documents lie below, at the path of"
            " the issuer's URL. An absolute path"
        ),
    ]

    def __post_init__(self) -> None:
        check_absolute("path", self.path)


class S3Settings(Settings, frozen=True):
    """Amazon S3; credentials come from AWS_* in the environment, or from the instance."""

    bucket: Bucket
    prefix: Prefix | None = None
    region: (
        Annotated[str, Meta(description="The bucket's region; by default AWS_REGION")] | None
    ) = None
    endpoint: Endpoint | None = None
    allow_http: AllowHttp = False


class GcsSettings(Settings, frozen=True):
    """Google Cloud Storage; credentials come from GOOGLE_* in the environment, or the instance."""

    bucket: Bucket
    prefix: Prefix | None = None


class AzureSettings(Settings, frozen=True):
    """Azure Blob Storage; credentials come from AZURE_* in the environment, or the instance."""

    account: Annotated[str, Meta(description="The storage account", min_length=1)]
    container: Bucket
    prefix: Prefix | None = None
    endpoint: Endpoint | None = None
    allow_http: AllowHttp = False


class TargetSettings(Settings, frozen=True):
    """A place that the documents are published at: exactly one of the kinds."""

    name: Annotated[
        str,
        Meta(description="What the target is called in logs, metrics and /readyz", pattern=NAME),
    ]
    directory: DirectorySettings | None = None
    s3: S3Settings | None = None
    gcs: GcsSettings | None = None
    azure: AzureSettings | None = None
    public_url: (
        Annotated[
            str,
            Meta(
                description="Where relying parties read what is published here; it is read back"
                " from there. Without a last slash"
            ),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        kinds = (self.directory, self.s3, self.gcs, self.azure)
        if sum(kind is not None for kind in kinds) != 1:
            raise InvalidSetting(
                "name",
                f"Target {self.name!r} needs exactly one of `directory`, `s3`, `gcs`, `azure`",
            )
        if self.public_url is not None:
            _check_public_url(self.public_url)


class PublishSettings(Settings, frozen=True):
    """What `spire-bridge publish` does; `serve` does not look at it."""

    targets: tuple[TargetSettings, ...] = ()
    max_behind_seconds: Annotated[
        float,
        Meta(
            description="Readiness of `publish --watch` fails once a target has lacked the"
            " newest documents for this long",
            gt=0,
        ),
    ] = 300.0

    def __post_init__(self) -> None:
        names = (target.name for target in self.targets)
        check_different("targets", "Targets must have different names", names)


def _check_public_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise InvalidSetting("public_url", "Expected a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise InvalidSetting("public_url", "Expected https://host/path, or http://")
    if parts.query or parts.fragment or url.endswith("/"):
        raise InvalidSetting("public_url", "Expected neither query nor fragment nor a last slash")
