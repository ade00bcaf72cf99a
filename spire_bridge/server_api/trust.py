"""What a source over TLS trusts its server by."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from cryptography import x509

from spire_bridge.errors import BridgeError
from spire_bridge.files.atomic import write_atomically
from spire_bridge.files.errors import FileFailure
from spire_bridge.files.reading import read_limited
from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.key_set import MAX_KEY_SET_BYTES
from spire_bridge.jose.strict_json import parse_object
from spire_bridge.spiffe.bundle import Bundle
from spire_bridge.spiffe.errors import InvalidBundle
from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.transport.tls import TlsCredentials

_log = logging.getLogger(__name__)


class ServerTrust(Protocol):
    """Credentials for TLS with a server, and what is learned from its answers."""

    def credentials(self) -> TlsCredentials:
        """For the next handshake. Raises a `BridgeError` where there are none."""
        ...

    def learn(self, bundle: X509Bundle) -> None:
        """Hears of the bundle in each answer of the server."""
        ...


class OpenTrust(Protocol):
    """Makes a `ServerTrust` ready, and ends it. Entering raises a `BridgeError`."""

    def __call__(self) -> AbstractAsyncContextManager[ServerTrust]: ...


class BootstrappedTrust:
    """The X.509 authorities that the server has told last, and at first those of a file.

    `bootstrap` is PEM certificates or a SPIFFE bundle document. It counts until the server
    has answered, and again when its content has changed since: the operator's word, which
    alone helps where the server's authorities were replaced while nobody could hear of it.
    An old file doesn't count again, so an authority that was revoked stays so.

    `cache`, if given, is a file that keeps what the server told over a restart, under the
    same rule. Tainted authorities are trusted until they are revoked, as SPIRE's own agents
    do: the server's certificate may hang below one for a while.
    """

    def __init__(self, trust_domain: TrustDomain, bootstrap: Path, cache: Path | None) -> None:
        self._trust_domain = trust_domain
        self._bootstrap = bootstrap
        self._cache = cache
        self._digest: str | None = None  # of the file that the bundle comes from or follows
        self._bundle: X509Bundle | None = None

    async def __aenter__(self) -> Self:
        if self._cache is not None:
            try:
                copy = _Cached.load(self._cache, self._trust_domain)
            except BridgeError as error:
                _log.warning("bundle cache is not used", extra={"reason": error.message})
            else:
                if copy is not None:
                    self._digest, self._bundle = copy.bootstrap_sha256, copy.bundle
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def credentials(self) -> TlsCredentials:
        """The authorities of now; nothing is presented to the server."""
        try:
            self._read_bootstrap()
        except BridgeError as error:
            if self._bundle is None:
                raise
            _log.warning("bootstrap bundle is not used", extra={"reason": error.message})
        assert self._bundle is not None
        return TlsCredentials(None, self._bundle)

    def learn(self, bundle: X509Bundle) -> None:
        """Takes what the server tells; a server that has just proved itself has authorities."""
        known = self._bundle.authorities if self._bundle is not None else ()
        if set(bundle.authorities) in (set(), set(known)) or self._digest is None:
            return
        _log.info("server's authorities have changed", extra={"count": len(bundle.authorities)})
        self._bundle = bundle
        if self._cache is not None:
            try:
                _Cached(bundle, self._digest).save(self._cache)
            except BridgeError as error:  # the server is trusted without
                _log.error("bundle cache was not written", extra={"reason": error.message})

    def _read_bootstrap(self) -> None:
        data = read_limited(self._bootstrap, max_bytes=MAX_KEY_SET_BYTES)
        digest = hashlib.sha256(data).hexdigest()
        if digest != self._digest:
            self._bundle = read_x509_bundle(self._trust_domain, data, what=str(self._bootstrap))
            self._digest = digest


def read_x509_bundle(trust_domain: TrustDomain, data: bytes, *, what: str) -> X509Bundle:
    """X.509 authorities from PEM or a SPIFFE bundle document. Raises `InvalidBundle`."""
    if data.lstrip().startswith(b"{"):
        try:
            bundle = Bundle.from_document(trust_domain, data).x509
        except InvalidBundle as error:
            raise InvalidBundle(f"{what}: {error.message}") from None
    else:
        bundle = X509Bundle(trust_domain, _pem_certificates(data, what))
    if not bundle.authorities:
        raise InvalidBundle(f"{what} has no X.509 authority to trust the server by")
    return bundle


def _pem_certificates(data: bytes, what: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except (ValueError, x509.InvalidVersion):
        raise InvalidBundle(
            f"{what} is neither PEM certificates nor a SPIFFE bundle document",
            hint="write it with: spire-server bundle show > FILE",
        ) from None


@dataclass(frozen=True, slots=True)
class _Cached:
    """What the server told last, and the digest of the bootstrap file at that time."""

    bundle: X509Bundle
    bootstrap_sha256: str

    @classmethod
    def load(cls, path: Path, trust_domain: TrustDomain) -> Self | None:
        """None if there is no file yet. Raises `BridgeError`."""
        if not _exists(path):
            return None
        data = read_limited(path, max_bytes=MAX_KEY_SET_BYTES)
        try:
            copy = parse_object(data, what="bundle cache", max_bytes=MAX_KEY_SET_BYTES)
        except InvalidJson as error:
            raise InvalidBundle(f"{path}: {error.message}") from None
        digest, pem = copy.get("bootstrap_sha256"), copy.get("x509_authorities")
        if copy.get("trust_domain") != trust_domain.name:
            raise InvalidBundle(f"{path} is not of trust domain {trust_domain}")
        if not isinstance(digest, str) or not isinstance(pem, str):
            raise InvalidBundle(f"{path} is not a bundle cache")
        return cls(read_x509_bundle(trust_domain, pem.encode(), what=str(path)), digest)

    def save(self, path: Path) -> None:
        """Replaces the file, for its owner alone. Raises `FileFailure`."""
        copy = {
            "trust_domain": self.bundle.trust_domain.name,
            "bootstrap_sha256": self.bootstrap_sha256,
            "x509_authorities": self.bundle.pem().decode("ascii"),
        }
        write_atomically(path, json.dumps(copy, indent=2).encode(), mode=0o600)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise FileFailure(f"{path} can't be read: {error.strerror}") from None
