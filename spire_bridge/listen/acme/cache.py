"""The account key and the certificates in a folder, for restarts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from spire_bridge.files.atomic import write_atomically
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.listen.acme.certificate import DomainCertificate, UnusableCertificate, encode_key

_MAX_FILE_BYTES = 1024 * 1024
_ACCOUNT_KEY = "acme_account+key"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cache:
    """The account key and the certificates in a folder; without a folder nothing is kept.

    Names and contents are those of Go's autocert, which SPIRE's oidc-discovery-provider
    uses: either program takes up what the other one left.
    """

    folder: Path | None

    def account_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of the account, made at the first call. Raises `FileFailure`."""
        if self.folder is None:
            return ec.generate_private_key(ec.SECP256R1())
        path = self.folder / _ACCOUNT_KEY
        _make_private_folder(self.folder)
        if path.exists():
            try:
                key = load_pem_private_key(
                    read_limited(path, max_bytes=_MAX_FILE_BYTES), password=None
                )
            except (ValueError, TypeError, UnsupportedAlgorithm):
                key = None
            if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
                return key
            _log.warning("account key is unusable, a new one is made", extra={"file": str(path)})
        key = ec.generate_private_key(ec.SECP256R1())
        write_atomically(path, encode_key(key))
        return key

    def certificate(self, domain: str, *, now: float) -> DomainCertificate | None:
        """What was kept for `domain`, if it can still be used; says why if not."""
        path = self.folder / domain if self.folder is not None else None
        if path is None or not path.exists():
            return None
        try:
            data = read_limited(path, max_bytes=_MAX_FILE_BYTES)
            start = data.find(b"-----BEGIN CERTIFICATE-----")
            return DomainCertificate.parse(domain, data[:start], data[max(start, 0) :], now=now)
        except (FileFailure, UnusableCertificate) as error:
            extra = {"file": str(path), "reason": error.message}
            _log.warning("kept certificate is not used", extra=extra)
            return None

    def keep(self, certificate: DomainCertificate) -> None:
        """Raises `FileFailure`."""
        if self.folder is not None:
            write_atomically(
                self.folder / certificate.domain, certificate.key_pem + certificate.chain_pem
            )


def _make_private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FileFailure(
            f"{folder} can't be made: {error.strerror}",
            hint="name a folder that this user may write to",
        ) from None
