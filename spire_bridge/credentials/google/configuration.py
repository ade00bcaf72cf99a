"""The credential configuration of Google's SDKs: a file of type external_account. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from spire_bridge.credentials.google.errors import InvalidGoogleSetting
from spire_bridge.credentials.google.executable import JWT
from spire_bridge.credentials.google.provider import (
    DEFAULT_UNIVERSE,
    Endpoints,
    Provider,
    ServiceAccount,
)

MIN_TIMEOUT_MILLIS = 5_000
MAX_TIMEOUT_MILLIS = 120_000
DEFAULT_TIMEOUT_MILLIS = 30_000

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file with the token; in the member `field_name` of a JSON object, if one is named."""

    path: PurePath
    field_name: str = ""

    def __post_init__(self) -> None:
        _check_absolute(self.path, "the token file")

    def render(self) -> dict[str, Any]:
        return {"file": str(self.path), **_format(self.field_name)}


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A URL whose answer is, or holds, the token; `headers` may carry a secret."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    field_name: str = ""

    def __post_init__(self) -> None:
        if not _is_safe_url(self.url):
            raise InvalidGoogleSetting(
                "the URL of the token is neither https nor of this machine",
                hint="http://127.0.0.1:PORT/PATH, where the helper serves it",
            )
        for name, value in self.headers.items():
            plain = value.isascii() and value.isprintable()
            if not _HEADER_NAME.fullmatch(name) or not plain or value != value.strip():
                raise InvalidGoogleSetting(f"{name!r} or its value is no HTTP header")

    def render(self) -> dict[str, Any]:
        headers = {"headers": dict(self.headers)} if self.headers else {}
        return {"url": self.url, **headers, **_format(self.field_name)}


@dataclass(frozen=True, slots=True)
class ExecutableSource:
    """A command that prints the token; it runs without a shell, if a variable allows it.

    The SDK looks into `output_file` before it runs the command.
    """

    command: str
    timeout_millis: int = DEFAULT_TIMEOUT_MILLIS
    output_file: PurePath | None = None

    def __post_init__(self) -> None:
        if not _has_words(self.command):
            raise InvalidGoogleSetting(
                "the command has no words, or a quotation without an end",
                hint="it runs without a shell: /usr/bin/spire-bridge credential gcp",
            )
        if not MIN_TIMEOUT_MILLIS <= self.timeout_millis <= MAX_TIMEOUT_MILLIS:
            raise InvalidGoogleSetting(
                f"SDKs don't take a timeout of {self.timeout_millis} ms",
                hint=f"from {MIN_TIMEOUT_MILLIS} to {MAX_TIMEOUT_MILLIS}",
            )
        if self.output_file is not None:
            _check_absolute(self.output_file, "the output file")

    def render(self) -> dict[str, Any]:
        executable = {"command": self.command, "timeout_millis": self.timeout_millis}
        if self.output_file is not None:
            executable["output_file"] = str(self.output_file)
        return {"executable": executable}


@dataclass(frozen=True, slots=True)
class Configuration:
    """How an SDK gets a token, exchanges it and, with an `account`, impersonates."""

    provider: Provider
    source: FileSource | UrlSource | ExecutableSource
    account: ServiceAccount | None = None
    universe_domain: str = DEFAULT_UNIVERSE
    endpoints: Endpoints = field(default_factory=Endpoints.of)

    def render(self) -> bytes:
        """The file's content. A secret is in it if the source has one."""
        content: dict[str, Any] = {
            "universe_domain": self.universe_domain,
            "type": "external_account",
            "audience": self.provider.audience,
            "subject_token_type": JWT,
            "token_url": self.endpoints.token_url,
            "credential_source": self.source.render(),
        }
        if self.account is not None:
            url = self.endpoints.impersonation_url(self.account)
            content["service_account_impersonation_url"] = url
            if self.account.lifetime_seconds is not None:
                seconds = self.account.lifetime_seconds
                content["service_account_impersonation"] = {"token_lifetime_seconds": seconds}
        return json.dumps(content, indent=2).encode() + b"\n"


def _format(field_name: str) -> dict[str, Any]:
    if not field_name:
        return {}
    return {"format": {"type": "json", "subject_token_field_name": field_name}}


def _check_absolute(path: PurePath, what: str) -> None:
    if not path.is_absolute():
        raise InvalidGoogleSetting(
            f"{what} has no absolute path", hint="an SDK runs in whatever folder its program does"
        )


def _has_words(command: str) -> bool:
    try:
        return command.isprintable() and bool(shlex.split(command))
    except ValueError:  # a quotation without an end
        return False


def _is_safe_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
