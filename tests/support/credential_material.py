"""SVIDs and bundles for what renders them: X.509 contexts and tokens of a trust domain."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from spiffe_authority import Domain

from spire_bridge.spiffe.id import TrustDomain
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.workload.messages import BundleSet, X509Context

WEB = "spiffe://example.org/web"
OTHER = TrustDomain("other.example")


def x509_context(
    *, intermediate: bool = False, federated: bool = False, expired: bool = False
) -> X509Context:
    """The context of /web, with the bundle of a second trust domain if `federated`."""
    domain = Domain(intermediate=intermediate)
    bundles = {domain.name: domain.bundle}
    if federated:
        bundles[OTHER] = Domain(OTHER).bundle
    return X509Context((domain.svid(WEB, expired=expired),), BundleSet(bundles))


def jwt_svid(
    *audience: str, subject: str = WEB, lifetime: int = 300, **changes: Any
) -> UnverifiedJwtSvid:
    """A token that is well-formed, and signed by nobody."""
    now = int(time.time())
    claims = {"sub": subject, "aud": list(audience), "iat": now, "exp": now + lifetime}
    parts = ({"alg": "ES256", "kid": "k"}, claims | changes)
    header, payload = (_base64url(json.dumps(part).encode()) for part in parts)
    return UnverifiedJwtSvid.parse(f"{header}.{payload}.{_base64url(bytes(64))}")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
