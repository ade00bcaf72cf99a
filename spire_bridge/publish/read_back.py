"""Reads published documents through their public URL, as a relying party would.

What stands between, a CDN above all, may show the copy of before for as long as it was
allowed to keep it: that is no failure, but `Visibility.NOT_YET`.
"""

from __future__ import annotations

import enum
import http.client
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError
from spire_bridge.issuer.document import Document
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.url import DISCOVERY_PATH, JWKS_PATH

TIMEOUT_SECONDS = 10.0

_MAX_BYTES = 4 << 20
_WHITE_SPACE = b" \t\r\n"  # behind the JSON text it means nothing; see `bucket`
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class ReadBackFailed(BridgeError):
    """The public URL shows no document that a relying party could use."""

    code = "READ_BACK_FAILED"


class PublicUrlUnavailable(BridgeError):
    """The public URL did not answer, or said that it can't at the moment."""

    code = "PUBLIC_URL_UNAVAILABLE"
    exit_status = EXIT_UNAVAILABLE


class Visibility(enum.Enum):
    """What relying parties see of a publication."""

    VISIBLE = "visible"
    NOT_YET = "not yet"  # other documents than those that were published


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """The URL, without a last slash, that the documents' paths are added to."""

    url: str
    timeout_seconds: float = TIMEOUT_SECONDS

    def look(self, documents: Documents) -> Visibility:
        """Reads both documents. Blocks.

        Raises `ReadBackFailed` where what is shown is wrong whichever document it is, and
        `PublicUrlUnavailable`.
        """
        pairs = ((JWKS_PATH, documents.jwks), (DISCOVERY_PATH, documents.discovery))
        shown = [self._shows(path, document) for path, document in pairs]
        return Visibility.VISIBLE if all(shown) else Visibility.NOT_YET

    def _shows(self, path: str, document: Document) -> bool:
        url = self.url + path
        status, content_type, body = self._get(url)
        if status == http.HTTPStatus.NOT_FOUND:
            return False  # a CDN may keep that, too
        if status in _REDIRECTS:
            raise ReadBackFailed(
                f"{url} answers with a redirect (HTTP {status})",
                hint="several verifiers refuse that for a JWK set: have it answered in place",
            )
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PublicUrlUnavailable(f"{url} answers HTTP {status}")
        if status != http.HTTPStatus.OK:
            raise ReadBackFailed(
                f"{url} answers HTTP {status}", hint="may everybody read the documents there?"
            )
        if content_type != "application/json":
            raise ReadBackFailed(
                f"{url} has the content type {content_type or '(none)'}",
                hint="some verifiers take nothing but application/json",
            )
        return body.rstrip(_WHITE_SPACE) == document.body.rstrip(_WHITE_SPACE)

    def _get(self, url: str) -> tuple[int, str, bytes]:
        """Status, media type and body. Follows no redirect."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        connect = http.client.HTTPSConnection if tls else http.client.HTTPConnection
        connection = connect(parts.netloc, timeout=self.timeout_seconds)
        try:
            connection.request("GET", parts.path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = _read(response, time.monotonic() + self.timeout_seconds)
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise PublicUrlUnavailable(f"{url} can't be read: {reason}") from None
        finally:
            connection.close()
        if len(body) > _MAX_BYTES:
            raise ReadBackFailed(f"{url} answers with more than {_MAX_BYTES} bytes")
        media_type = response.headers.get("content-type", "").partition(";")[0]
        return response.status, media_type.strip().lower(), body


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, or its beginning if it is too large; the deadline is one for all of it."""
    body = bytearray()
    while len(body) <= _MAX_BYTES and (piece := response.read1(65_536)):
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
        body += piece
    return bytes(body)
