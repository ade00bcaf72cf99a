"""SVIDs as ExecCredentials (client.authentication.k8s.io). Pure."""

from __future__ import annotations

import json
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
    from spire_bridge.spiffe.x509_svid import X509Svid

# API servers grant no leeway after `exp`: clients ask anew this much before it.
_EARLY_SECONDS = 10


def token_credential(svid: UnverifiedJwtSvid, *, api_version: str) -> bytes:
    """The token; `api_version` has to be that of the request."""
    return _credential(api_version, svid.expires_at, {"token": svid.token})


def certificate_credential(svid: X509Svid, *, api_version: str) -> bytes:
    """The chain and the key, in PEM."""
    pair = {
        "clientCertificateData": svid.chain_pem().decode(),
        "clientKeyData": svid.private_key_pem().decode(),
    }
    return _credential(api_version, int(svid.expires_at.timestamp()), pair)


def _credential(api_version: str, expires_at: int, status: dict[str, Any]) -> bytes:
    end = time.gmtime(expires_at - _EARLY_SECONDS)
    document = {
        "apiVersion": api_version,
        "kind": "ExecCredential",
        "status": {"expirationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", end), **status},
    }
    return json.dumps(document).encode() + b"\n"
