"""The issuer's URL: what every verifier compares `iss` with, byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from spire_bridge.errors import EXIT_USAGE, BridgeError

DISCOVERY_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/keys"

# RFC 3986, section 2: reserved and unreserved characters, and percent-encoded octets.
_URL = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class InvalidIssuerUrl(BridgeError):
    """A URL can't be an issuer's (OpenID Connect Discovery, section 3)."""

    code = "ISSUER_URL_INVALID"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class IssuerUrl:
    """An https URL without query or fragment; http is admitted on loopback only."""

    text: str

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.text):
            raise InvalidIssuerUrl("issuer URL has characters that no URL has")
        try:
            parts = urlsplit(self.text)
            host = parts.hostname
            _ = parts.port
        except ValueError:
            raise InvalidIssuerUrl(f"issuer URL {self.text!r} is not a URL") from None
        if not host or "@" in parts.netloc:
            raise InvalidIssuerUrl(f"issuer URL {self.text!r} has no host, or has a user in it")
        if "?" in self.text or "#" in self.text:
            raise InvalidIssuerUrl("issuer URL must have neither query nor fragment")
        if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
            raise InvalidIssuerUrl(
                f"issuer URL {self.text!r} does not start with https://",
                hint="http:// is admitted for localhost, 127.0.0.1 and [::1] only, to develop with",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(text)

    @property
    def host(self) -> str:
        """Whom a request for this issuer names: lower case, with the port unless it is usual."""
        parts = urlsplit(self.text)
        usual = {"https": ":443", "http": ":80"}[parts.scheme]
        return parts.netloc.lower().removesuffix(usual)

    @property
    def path(self) -> str:
        """Where the issuer's documents hang: empty, or `/some/path` without a last slash."""
        return urlsplit(self.text).path.rstrip("/")

    @property
    def jwks_uri(self) -> str:
        return self.text.rstrip("/") + JWKS_PATH

    def __str__(self) -> str:
        return self.text
