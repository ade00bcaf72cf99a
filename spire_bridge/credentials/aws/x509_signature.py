"""Signature Version 4 with an X.509-SVID (IAM Roles Anywhere User Guide: The signing process)."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from spire_bridge.credentials.aws.errors import UnsupportedKey
from spire_bridge.spiffe.x509_svid import PrivateKey, X509Svid

_SERVICE = "rolesanywhere"


def signed_headers(
    svid: X509Svid,
    *,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    region: str,
    now: float,
) -> dict[str, str]:
    """The headers of a POST that the SVID's key signs, `headers` among them (names lower case).

    `now` is in seconds since the epoch. Raises `UnsupportedKey`.
    """
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    leaf, *intermediates = (
        base64.b64encode(c.public_bytes(Encoding.DER)).decode() for c in svid.certificates
    )
    sent = {**headers, "x-amz-date": date, "x-amz-x509": leaf}
    if intermediates:
        sent["x-amz-x509-chain"] = ",".join(intermediates)
    names = ";".join(sorted(sent))
    canonical = "\n".join(
        (
            "POST",
            quote(path, safe="/-_.~"),
            canonical_query(query),
            *(f"{name}:{sent[name]}" for name in sorted(sent)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    algorithm, scope = _algorithm(svid.private_key), f"{date[:8]}/{region}/{_SERVICE}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signature = _sign(svid.private_key, f"{algorithm}\n{date}\n{scope}\n{digest}".encode())
    sent["authorization"] = (
        f"{algorithm} Credential={svid.leaf.serial_number}/{scope},"
        f" SignedHeaders={names}, Signature={signature.hex()}"
    )
    return sent


def canonical_query(query: Mapping[str, str]) -> str:
    """The parameters as they are signed and sent: encoded, and in order."""
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items()
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "AWS4-X509-RSA-SHA256"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return "AWS4-X509-ECDSA-SHA256"
    raise UnsupportedKey(
        "IAM Roles Anywhere takes RSA and EC keys, and the X.509-SVID has another",
        hint="set workload_x509_svid_key_type of the SPIRE agent to ec-p256 or rsa-2048",
    )


def _sign(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), SHA256())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(data, ec.ECDSA(SHA256()))
