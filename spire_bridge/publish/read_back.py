"""Reads published documents through their public URL, as a relying party would.

What stands between, a CDN above all, may show the copy of before for as long as it was
allowed to keep it: that is no failure, but `Visibility.NOT_YET`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from http import HTTPStatus

from spire_bridge.errors import EXIT_UNAVAILABLE, BridgeError
from spire_bridge.issuer.document import Document
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.url import DISCOVERY_PATH, JWKS_PATH
from spire_bridge.transport.https import (
    TIMEOUT_SECONDS,
    DocumentTooLarge,
    Fetched,
    FetchFailed,
    get,
)

_WHITE_SPACE = b" \t\r\n"  # behind the JSON text it means nothing; see `bucket`


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
        answer = self._get(url)
        status = answer.status
        if status == HTTPStatus.NOT_FOUND:
            return False  # a CDN may keep that, too
        if answer.is_redirect:
            raise ReadBackFailed(
                f"{url} answers with a redirect (HTTP {status})",
                hint="several verifiers refuse that for a JWK set: have it answered in place",
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PublicUrlUnavailable(f"{url} answers HTTP {status}")
        if status != HTTPStatus.OK:
            raise ReadBackFailed(
                f"{url} answers HTTP {status}", hint="may everybody read the documents there?"
            )
        if answer.media_type != "application/json":
            raise ReadBackFailed(
                f"{url} has the content type {answer.media_type or '(none)'}",
                hint="some verifiers take nothing but application/json",
            )
        return answer.body.rstrip(_WHITE_SPACE) == document.body.rstrip(_WHITE_SPACE)

    def _get(self, url: str) -> Fetched:
        try:
            return get(url, timeout_seconds=self.timeout_seconds)
        except FetchFailed as error:
            raise PublicUrlUnavailable(error.message) from None
        except DocumentTooLarge as error:
            raise ReadBackFailed(error.message) from None
