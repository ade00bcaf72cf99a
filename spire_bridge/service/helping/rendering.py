"""From what the agent gives to the bytes of an output's files, in the order of its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from spire_bridge.credentials.jwt_bundles import jwt_bundles_json
from spire_bridge.credentials.pem import PemOptions, pem_files
from spire_bridge.helper.contents import X509Material
from spire_bridge.service.settings.outputs import X509FilesSettings, X509Settings
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.workload.messages import BundleSet


def raw_token(svid: UnverifiedJwtSvid) -> tuple[bytes, ...]:
    """The token alone: most SDKs don't strip a newline."""
    return (svid.token.encode(),)


def bundles_file(bundles: BundleSet[JwtBundle]) -> tuple[bytes, ...]:
    return (jwt_bundles_json(bundles),)


@dataclass(frozen=True, slots=True)
class X509Rendering:
    """The PEM files that are wanted."""

    options: PemOptions
    wanted: tuple[str, ...]
    clock: Callable[[], float]

    @classmethod
    def of(
        cls, settings: X509Settings, files: X509FilesSettings, clock: Callable[[], float]
    ) -> Self:
        options = PemOptions(
            settings.intermediates == "bundle", settings.federated, settings.omit_expired
        )
        return cls(options, files.names(), clock)

    def __call__(self, material: X509Material) -> tuple[bytes, ...]:
        files = pem_files(material.svid, material.context, self.options, now=self.clock())
        return tuple(getattr(files, name) for name in self.wanted)
