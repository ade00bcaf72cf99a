"""What a listener shows of itself: certificates that are renewed while it serves."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography import x509

from spire_bridge.errors import BridgeError
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.key_material import key_material_as_file
from spire_bridge.files.reading import read_limited

_MAX_FILE_BYTES = 1024 * 1024

_log = logging.getLogger(__name__)


class InvalidCertificate(BridgeError):
    """A certificate and key can't be used together."""

    code = "CERTIFICATE_INVALID"


class Certificates(Protocol):
    """A TLS context for a listener, and the task that keeps it current."""

    @property
    def context(self) -> ssl.SSLContext:
        """For `serving`; the same object all along."""
        ...

    async def follow(self) -> None:
        """Keeps the context current, for ever; says by itself what goes wrong."""
        ...

    def expiries(self) -> Mapping[str, int]:
        """When what is shown expires, by its name, in seconds since the epoch; 0 for none."""
        ...


class CertificateFiles:
    """A TLS context that follows two files, looked at every `interval_seconds`.

    New handshakes use the newest good pair; connections that stand are left alone. A pair
    that doesn't match, or is gone, leaves the one before in force. Raises
    `InvalidCertificate` if the first pair is no good.
    """

    def __init__(self, certificate: Path, key: Path, interval_seconds: float) -> None:
        self._certificate, self._key = certificate, key
        self._interval_seconds = interval_seconds
        self._seen: tuple[bytes, bytes] | None = None
        self._expires_at: int | None = None
        self._complaint = ""
        self.context = _server_context()
        self._load()

    async def follow(self) -> None:
        """Takes up the files whenever they change, for ever."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            self.refresh()

    def expiries(self) -> Mapping[str, int]:
        """Of the pair in force, by the certificate's path."""
        known = self._expires_at is not None
        return {str(self._certificate): self._expires_at or 0} if known else {}

    def refresh(self) -> None:
        """Takes up the files if they have changed; says once what is wrong with them."""
        try:
            changed = self._load()
        except BridgeError as error:
            if error.message != self._complaint:
                _log.error("certificate is not taken up", extra={"reason": error.message})
            self._complaint = error.message
        else:
            self._complaint = ""
            if changed:
                _log.info("certificate was taken up", extra={"file": str(self._certificate)})

    def _load(self) -> bool:
        try:
            pair = (
                read_limited(self._certificate, max_bytes=_MAX_FILE_BYTES),
                read_limited(self._key, max_bytes=_MAX_FILE_BYTES),
            )
        except FileFailure as error:
            raise InvalidCertificate(error.message) from None
        if pair == self._seen:
            return False
        try:
            # Tried first on another context: a pair that fails half-way spoils the one it is
            # loaded into.
            for context in (_server_context(), self.context):
                with key_material_as_file(pair[0] + b"\n" + pair[1]) as path:
                    context.load_cert_chain(path)
        except (ssl.SSLError, OSError) as error:
            reason = getattr(error, "reason", None) or os.strerror(error.errno or 0)
            raise InvalidCertificate(
                f"{self._certificate} and {self._key} are no certificate and its key: {reason}"
            ) from None
        self._seen, self._expires_at = pair, _expiry(pair[0])
        return True


def _expiry(certificate: bytes) -> int | None:
    """Of the first one in a PEM file; None if OpenSSL alone can read it."""
    with suppress(ValueError):
        return int(x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp())
    return None


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context
