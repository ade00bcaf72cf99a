"""From what the agent gives to the bytes of an output's files, in the order of its settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spire_bridge.credentials.azure.federated_token import lint_lifetime
from spire_bridge.credentials.errors import InvalidOutput
from spire_bridge.credentials.jwt_bundles import jwt_bundles_json
from spire_bridge.credentials.pem import PemOptions, pem_files
from spire_bridge.credentials.pkcs12 import KeyStore, StoreEncryption, TrustStore
from spire_bridge.files.reading import read_limited
from spire_bridge.helper.contents import X509Material
from spire_bridge.service.settings.output_files import X509FilesSettings
from spire_bridge.service.settings.output_kinds import Pkcs12Settings, X509Settings
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.workload.messages import BundleSet

_log = logging.getLogger(__name__)

_MAX_PASSWORD_BYTES = 1024

Rendering = Callable[[X509Material], tuple[bytes, ...]]


def raw_token(svid: UnverifiedJwtSvid) -> tuple[bytes, ...]:
    """The token alone: most SDKs don't strip a newline."""
    return (svid.token.encode(),)


def azure_token(output: str) -> Callable[[UnverifiedJwtSvid], tuple[bytes, ...]]:
    """The same; warns once if tokens end before azure-identity reads the next."""
    told = False

    def render(svid: UnverifiedJwtSvid) -> tuple[bytes, ...]:
        nonlocal told
        if not told and (finding := lint_lifetime(svid)) is not None:
            told = True
            _log.warning(
                "tokens are too short for Azure's SDKs",
                extra={"output": output, "reason": finding.message, "hint": finding.fix},
            )
        return raw_token(svid)

    return render


def bundles_file(bundles: BundleSet[JwtBundle]) -> tuple[bytes, ...]:
    return (jwt_bundles_json(bundles),)


def x509_rendering(
    settings: X509Settings, files: X509FilesSettings, clock: Callable[[], float]
) -> Rendering:
    """What makes the files that are wanted. Raises `FileFailure` and `InvalidOutput`."""
    options = PemOptions(
        settings.intermediates == "bundle", settings.federated, settings.omit_expired
    )
    stores = _Stores.of(settings.pkcs12, options) if settings.pkcs12 is not None else None
    key_store, trust_store = _Salted(), _Salted()

    def render(material: X509Material) -> tuple[bytes, ...]:
        now = clock()
        pem = pem_files(material.svid, material.context, options, now=now)
        made: Mapping[str, Callable[[], bytes]] = {
            "certificates": lambda: pem.certificates,
            "key": lambda: pem.key,
            "bundle": lambda: pem.bundle,
            "combined": lambda: pem.combined,
            "key_store": lambda: key_store(
                material.svid, lambda: _needed(stores).key_store(material.svid)
            ),
            "trust_store": lambda: trust_store(
                pem.bundle,
                lambda: _needed(stores).trust_store(material.svid, material.context, now=now),
            ),
        }
        return tuple(made[name]() for name in files.names())

    return render


class _Salted:
    """A store has a salt, so that it is made again only of something else."""

    def __init__(self) -> None:
        self._kept: tuple[object, bytes] | None = None

    def __call__(self, goes_in: object, make: Callable[[], bytes]) -> bytes:
        if self._kept is None or self._kept[0] != goes_in:
            self._kept = goes_in, make()
        return self._kept[1]


@dataclass(frozen=True, slots=True)
class _Stores:
    """Java's stores with the password of a file."""

    key_store: KeyStore
    trust_store: TrustStore

    @classmethod
    def of(cls, settings: Pkcs12Settings, options: PemOptions) -> _Stores:
        content = read_limited(Path(settings.password_file), max_bytes=_MAX_PASSWORD_BYTES)
        password = content.decode(errors="replace").rstrip("\r\n")
        encryption = StoreEncryption(settings.encryption)
        try:
            return cls(
                KeyStore(password, settings.alias, encryption),
                TrustStore(
                    password,
                    encryption=encryption,
                    federated=options.federated,
                    omit_expired=options.omit_expired,
                ),
            )
        except InvalidOutput as error:
            what = f"{settings.password_file}: {error.message}"
            raise InvalidOutput(what, hint=error.hint) from None


def _needed(stores: _Stores | None) -> _Stores:
    assert stores is not None  # the settings ask for a password with such a file
    return stores
