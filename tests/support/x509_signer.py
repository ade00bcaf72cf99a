"""Requests signed with an X.509 certificate, as IAM Roles Anywhere has them: a client of its own.

Written after the User Guide's signing process, and not after the verifier under test.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

REGION = "eu-central-1"


def signed_headers(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    chain: Sequence[x509.Certificate],
    *,
    host: str,
    query: Mapping[str, str],
    body: bytes = b"{}",
    at: float | None = None,
) -> dict[str, str]:
    """The headers of a POST to /sessions that the leaf's key signs."""
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    der = [base64.b64encode(c.public_bytes(Encoding.DER)).decode() for c in chain]
    headers = {
        "content-type": "application/json",
        "host": host,
        "x-amz-date": date,
        "x-amz-x509": der[0],
    }
    if der[1:]:
        headers["x-amz-x509-chain"] = ",".join(der[1:])
    names = ";".join(sorted(headers))
    pairs = sorted((quote(k, safe=""), quote(v, safe="")) for k, v in query.items())
    canonical = "POST\n/sessions\n" + "&".join(f"{k}={v}" for k, v in pairs) + "\n"
    canonical += "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical += f"\n{names}\n{hashlib.sha256(body).hexdigest()}"
    algorithm = "RSA" if isinstance(key, rsa.RSAPrivateKey) else "ECDSA"
    algorithm = f"AWS4-X509-{algorithm}-SHA256"
    scope = f"{date[:8]}/{REGION}/rolesanywhere/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{algorithm}\n{date}\n{scope}\n{digest}".encode()
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(to_sign, padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = key.sign(to_sign, ec.ECDSA(hashes.SHA256()))
    credential = f"{chain[0].serial_number}/{scope}"
    headers["authorization"] = (
        f"{algorithm} Credential={credential}, SignedHeaders={names}, Signature={signature.hex()}"
    )
    return headers
