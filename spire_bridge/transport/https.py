"""One GET of a small public document: capped, timed, and no redirect followed."""

from __future__ import annotations

import http.client
import ssl
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 4 * 1024 * 1024

REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


class FetchFailed(BridgeError):
    """A URL did not answer, or not with HTTP."""

    code = "FETCH_FAILED"
    exit_status = EXIT_UNAVAILABLE


class DocumentTooLarge(BridgeError):
    """A URL answers with more than anybody should read."""

    code = "DOCUMENT_TOO_LARGE"


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer; `media_type` is lower case and without parameters.

    `answered_at` is when by the server's own clock, in seconds since the epoch, if it says so.
    """

    status: int
    media_type: str
    body: bytes
    answered_at: float | None = field(default=None, compare=False)

    @property
    def is_redirect(self) -> bool:
        return self.status in REDIRECTS


def get(
    url: str,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    tls: ssl.SSLContext | None = None,
) -> Fetched:
    """Reads a document by http or https, whatever the status. Blocks; goes through no proxy.

    Without `tls`, servers are verified against the system's authorities or `SSL_CERT_FILE`.
    Raises `FetchFailed` and `DocumentTooLarge`.
    """
    connection: http.client.HTTPConnection | None = None
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("it is no http or https URL")  # noqa: TRY301 - as urlsplit does
        connection = (
            http.client.HTTPSConnection(parts.netloc, timeout=timeout_seconds, context=tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.netloc, timeout=timeout_seconds)
        )
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection.request("GET", target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = _read(response, time.monotonic() + timeout_seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # ValueError: a URL that is none, or a host that no name can have
        raise FetchFailed(f"{url} can't be read: {_reason(error)}") from None
    finally:
        if connection is not None:
            connection.close()
    if len(body) > MAX_BYTES:
        raise DocumentTooLarge(f"{url} answers with more than {MAX_BYTES} bytes")
    media_type = response.headers.get("content-type", "").partition(";")[0]
    headers = response.headers
    answered_at = _answered_at(headers.get("date", ""), headers.get("age", ""))
    return Fetched(response.status, media_type.strip().lower(), body, answered_at)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted here: {error.verify_message}"
    return str(error) or type(error).__name__


def _answered_at(date: str, age: str) -> float | None:
    """`Date`, and the seconds since then for which a cache kept it (RFC 9111, section 5.1)."""
    kept = int(age) if age.isascii() and age.isdecimal() and len(age) < 10 else 0
    try:
        return parsedate_to_datetime(date).timestamp() + kept
    except (ValueError, TypeError, OverflowError):
        return None


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, or its beginning if it is too large; the deadline is one for all of it."""
    body = bytearray()
    while len(body) <= MAX_BYTES and (piece := response.read1(65_536)):
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
        body += piece
    return bytes(body)
