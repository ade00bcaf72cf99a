"""HTTPS to an ACME server, as the `acme` library speaks it and a service needs it."""

from __future__ import annotations

import datetime
import os
import ssl
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, cast

import requests
from acme import messages
from acme.client import ClientNetwork
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWKEC

_REQUEST_SECONDS = 30
_BAD_NONCES = 10
_MAX_RETRY_AFTER_SECONDS = 24 * 3600.0


class Network(ClientNetwork):
    """The library's HTTP, which bears with refused nonces and remembers how the CA answered last.

    `status` is 0 before any answer; `retry_after_seconds` comes with refusals, if at all.
    """

    def __init__(self, account_key: ec.EllipticCurvePrivateKey, ca_file: Path | None) -> None:
        super().__init__(
            JWKEC(key=account_key), alg=ES256, user_agent="spire-bridge",
            timeout=_REQUEST_SECONDS,
        )  # fmt: skip
        self.verify_ssl = cast("bool", _trust(ca_file))  # requests takes a path as well
        self.status = 0
        self.retry_after_seconds: float | None = None
        self.session.hooks["response"].append(self._note)

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """A nonce may be refused for no fault of ours (RFC 8555, section 6.5)."""
        for _ in range(_BAD_NONCES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)

    def _note(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self.status = response.status_code
        wish = response.headers.get("Retry-After") if not response.ok else None
        self.retry_after_seconds = _seconds(wish) if wish is not None else None


def _trust(ca_file: Path | None) -> str | bool:
    """What `requests` is to verify the directory with; by itself it uses CAs of its own."""
    if ca_file is not None:
        return str(ca_file)
    if "SSL_CERT_FILE" not in os.environ and "REQUESTS_CA_BUNDLE" in os.environ:
        return True
    system = ssl.get_default_verify_paths()  # obeys SSL_CERT_FILE and SSL_CERT_DIR
    if system.cafile is not None:
        return system.cafile
    if system.capath is not None and any(Path(system.capath).glob("*.0")):
        return system.capath
    return True


def _seconds(retry_after: str) -> float | None:
    """Retry-After (RFC 9110, section 10.2.3): a number, or a date."""
    try:
        if retry_after.isascii() and retry_after.isdecimal():
            seconds = float(retry_after)
        else:
            now = datetime.datetime.now(datetime.UTC)
            seconds = (parsedate_to_datetime(retry_after) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS)
