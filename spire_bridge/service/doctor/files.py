"""The files that the workload's clients read: named by hand, and by the environment."""

from __future__ import annotations

from collections.abc import Iterator

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.service.doctor.context import Context
from spire_bridge.service.doctor.file_shape import check_access, check_readable, described
from spire_bridge.service.doctor.finding import Finding, Outcome
from spire_bridge.service.doctor.named_files import (
    MAX_FILE_BYTES,
    Kind,
    NamedFile,
    google_source,
    named_files,
    token_of_member,
)
from spire_bridge.service.doctor.token_file import check_bare, check_token

FILES = "files"

_PRIVATE_KEY = b"PRIVATE KEY-----"
_TOKEN_START = b"eyJ"  # of an object that is JSON, in base64url


def check_files(context: Context) -> tuple[Context, tuple[Finding, ...]]:
    """Each file up to its first failure, and a line for one that is as it should be."""
    asked = context.asked
    findings = tuple(
        finding
        for file in named_files(asked.files, asked.environment)
        for finding in _examined(file, context)
    )
    return context, findings or (Finding.skipped(FILES, "none is named: --file"),)


def _examined(file: NamedFile, context: Context) -> list[Finding]:
    about = f"{file.path} ({file.named_by})" if file.named_by else str(file.path)
    found: list[Finding] = []
    try:
        for finding in _checks(file, context, about):
            found.append(finding)
            if finding.outcome is Outcome.FAIL:
                return found
        is_google = file.kind is Kind.GOOGLE
        source = google_source(file, context.asked.environment) if is_google else None
        found = found or [Finding.ok(FILES, described(file.path), about=about)]
    except BridgeError as error:
        return [*found, Finding.of(FILES, error, about=about)]
    except OSError as error:  # replaced or removed just now
        return [*found, Finding.failed(FILES, FileFailure.code, str(error.strerror), about=about)]
    return found if source is None else [*found, *_examined(source, context)]


def _checks(file: NamedFile, context: Context, about: str) -> Iterator[Finding]:
    yield from check_readable(FILES, file.path, about)
    data = read_limited(file.path, max_bytes=MAX_FILE_BYTES)
    kind = _told_by(data) if file.kind is Kind.ANY else file.kind
    is_secret = kind not in {Kind.ANY, Kind.GOOGLE}
    yield from check_access(FILES, file.path, about, is_secret=is_secret)
    if kind in {Kind.TOKEN, Kind.HEADER}:
        yield from check_bare(FILES, data, about)
    if kind is Kind.JSON_TOKEN:
        yield from check_token(FILES, token_of_member(data, file.member), context, about)
    elif kind is Kind.TOKEN:
        yield from check_token(FILES, data.decode("utf-8", errors="replace"), context, about)


def _told_by(data: bytes) -> Kind:
    """What a file is that was named by hand. An empty one is a token that is missing."""
    if data.lstrip().startswith(_TOKEN_START) or not data.strip():
        return Kind.TOKEN
    return Kind.SECRET if _PRIVATE_KEY in data else Kind.ANY
