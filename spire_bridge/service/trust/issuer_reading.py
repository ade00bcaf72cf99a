"""An issuer's documents as verifiers find them: fetched from its URL, or saved in a folder."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from spire_bridge.cloud.issuer_documents import MAX_DOCUMENT_BYTES, IssuerDocuments
from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.issuer.url import DISCOVERY_PATH, InvalidIssuerUrl, IssuerUrl
from spire_bridge.transport.https import (
    TIMEOUT_SECONDS,
    DocumentTooLarge,
    Fetched,
    FetchFailed,
    get,
)

_NO_KEYS = b'{"keys":[]}'
# Where a saved issuer's discovery document and key set may lie in a folder.
_SAVED = (
    (DISCOVERY_PATH.removeprefix("/"), "keys"),
    ("openid-configuration.json", "jwks.json"),
)


class InvalidSavedIssuer(BridgeError):
    """A folder does not hold the two documents of an issuer."""

    code = "SAVED_ISSUER_INVALID"
    exit_status = EXIT_USAGE


class InvalidAuthorities(BridgeError):
    """A file holds no certificates to verify servers with."""

    code = "CA_FILE_INVALID"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class ReadIssuer:
    """What came of reading an issuer.

    `is_unavailable` says that it could not be reached from here, or said that it can't at
    the moment: what `documents.problem` then tells may pass, and a verifier may fare better.
    `answered_at` is when by its server's clock, in seconds since the epoch, if that is known.
    """

    documents: IssuerDocuments
    is_unavailable: bool = False
    answered_at: float | None = None


@dataclass(frozen=True, slots=True)
class IssuerReader:
    """Reads issuers; `tls` are the authorities that vouch for their servers, None the system's."""

    timeout_seconds: float = TIMEOUT_SECONDS
    tls: ssl.SSLContext | None = None

    @classmethod
    def trusting(cls, ca_file: Path | None, *, timeout_seconds: float) -> Self:
        """Raises `InvalidAuthorities`."""
        if ca_file is None:
            return cls(timeout_seconds)
        try:
            return cls(timeout_seconds, ssl.create_default_context(cafile=ca_file))
        except OSError as error:  # ssl.SSLError is one
            reason = "no PEM certificates in it" if isinstance(error, ssl.SSLError) else error
            raise InvalidAuthorities(f"{ca_file} can't be used: {reason}") from None

    def read(self, where: str) -> ReadIssuer:
        """Reads an issuer by its URL, or saved in a folder. Blocks.

        An issuer that can't be read is a result, not an error: verifiers refuse it in words
        of their own. Raises `InvalidIssuerUrl` and `InvalidSavedIssuer`.
        """
        if "://" in where:
            return self._fetched(IssuerUrl.parse(where))
        return ReadIssuer(_saved(Path(where)))

    def read_named(self, issuer: str | None) -> ReadIssuer:
        """Reads the issuer that a token names, be that a URL or not. Blocks."""
        if issuer is None:
            return ReadIssuer(IssuerDocuments.unreachable("the token names no issuer"))
        try:
            return self._fetched(IssuerUrl.parse(issuer))
        except InvalidIssuerUrl as error:
            return ReadIssuer(IssuerDocuments.unreachable(error.message))

    def _fetched(self, issuer: IssuerUrl) -> ReadIssuer:
        found = IssuerDocuments()
        try:
            discovery = self._document(issuer.text.rstrip("/") + DISCOVERY_PATH)
            found = IssuerDocuments.read(discovery.body, _NO_KEYS)
            if found.problem:
                return ReadIssuer(found)
            keys = self._document(_jwks_uri(issuer, found))
            documents = IssuerDocuments.read(discovery.body, keys.body)
            return ReadIssuer(documents, answered_at=keys.answered_at)
        except _NoDocument as error:
            return ReadIssuer(replace(found, problem=str(error)), error.may_pass)

    def _document(self, url: str) -> Fetched:
        """Raises `_NoDocument`."""
        try:
            answer = get(url, timeout_seconds=self.timeout_seconds, tls=self.tls)
        except (FetchFailed, DocumentTooLarge) as error:
            raise _NoDocument(error.message, isinstance(error, FetchFailed)) from None
        if answer.is_redirect:
            raise _NoDocument(
                f"{url} answers with a redirect (HTTP {answer.status}), which is not followed"
            )
        if answer.status != HTTPStatus.OK:
            may_pass = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise _NoDocument(f"{url} answers HTTP {answer.status}", may_pass)
        return answer


class _NoDocument(Exception):
    """There is no document; `may_pass` says that trying again may help."""

    def __init__(self, message: str, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


def _jwks_uri(issuer: IssuerUrl, metadata: IssuerDocuments) -> str:
    """Where the discovery document says that the keys are. Raises `_NoDocument`."""
    uri = metadata.discovery.get("jwks_uri")
    if not isinstance(uri, str):
        raise _NoDocument("the discovery document has no jwks_uri")
    try:
        scheme = urlsplit(IssuerUrl.parse(uri.partition("?")[0]).text).scheme
    except InvalidIssuerUrl:
        scheme = ""
    # A document from elsewhere must not have this machine asked without TLS.
    if scheme != "https" and not (scheme == "http" and issuer.text.startswith("http://")):
        raise _NoDocument("the discovery document's jwks_uri is no https URL")
    return uri


def _saved(folder: Path) -> IssuerDocuments:
    for names in _SAVED:
        files = tuple(folder / name for name in names)
        if all(file.exists() for file in files):
            try:
                return IssuerDocuments.read(
                    *(read_limited(file, max_bytes=MAX_DOCUMENT_BYTES) for file in files)
                )
            except FileFailure as error:
                raise InvalidSavedIssuer(error.message) from None
    raise InvalidSavedIssuer(
        f"{folder} holds no issuer's documents",
        hint=f"it needs {' or '.join(' and '.join(names) for names in _SAVED)}",
    )
