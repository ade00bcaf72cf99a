"""One OIDC issuer for every workload that SPIRE knows.

The names below are the library's; importing the package loads none of them until it is
used. Everything else is reached by its module.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from spire_bridge.errors import BridgeError as BridgeError
    from spire_bridge.spiffe.id import SpiffeId as SpiffeId
    from spire_bridge.spiffe.id import TrustDomain as TrustDomain
    from spire_bridge.spiffe.jwt_svid import JwtSvid as JwtSvid
    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid as UnverifiedJwtSvid
    from spire_bridge.spiffe.jwt_svid import verify_jwt_svid as verify_jwt_svid
    from spire_bridge.workload.bundle_source import BundleSource as BundleSource
    from spire_bridge.workload.client import WorkloadClient as WorkloadClient
    from spire_bridge.workload.jwt_source import JwtSource as JwtSource
    from spire_bridge.workload.x509_source import X509Source as X509Source

__version__ = "0.1.0"

_MODULES = {
    "BridgeError": "errors",
    "BundleSource": "workload.bundle_source",
    "JwtSource": "workload.jwt_source",
    "JwtSvid": "spiffe.jwt_svid",
    "SpiffeId": "spiffe.id",
    "TrustDomain": "spiffe.id",
    "UnverifiedJwtSvid": "spiffe.jwt_svid",
    "WorkloadClient": "workload.client",
    "X509Source": "workload.x509_source",
    "verify_jwt_svid": "spiffe.jwt_svid",
}
__all__ = sorted([*_MODULES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
