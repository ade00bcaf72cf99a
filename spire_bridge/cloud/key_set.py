"""What each verifier demands of an issuer's key set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spire_bridge.cloud.aws.limits import MAX_KEYS_OF_A_KIND
from spire_bridge.cloud.entra import limits as entra
from spire_bridge.cloud.finding import Finding
from spire_bridge.cloud.google import limits as google
from spire_bridge.cloud.issuer_documents import IssuerDocuments, public_key
from spire_bridge.issuer.documents import Documents
from spire_bridge.issuer.key_set import KeySet

_MAX_NIMBUS_BYTES = 51_200

_AWS = "AWS IAM User Guide: OIDC providers, JSON Web Key Set quotas"
_GOOGLE = "Google Cloud IAM: workload identity federation, supported algorithms"
_ENTRA = "Microsoft Entra: error AADSTS5002738, not a supported signature algorithm"
_NIMBUS = "Nimbus JOSE + JWT: RemoteJWKSet, DEFAULT_HTTP_SIZE_LIMIT"

_SUPPORTED = (
    ("Google", google.ALGORITHMS, _GOOGLE),
    ("Entra", entra.ALGORITHMS, _ENTRA),
)


@dataclass(frozen=True, slots=True)
class _Size:
    rsa_keys: int
    ec_keys: int
    jwks_bytes: int


def check_key_set(key_set: KeySet, documents: Documents) -> tuple[Finding, ...]:
    """The verifiers that would refuse tokens of these keys, or miss some of the keys."""
    algorithms = [key.key.algorithm for key in key_set.keys]
    rsa_keys = sum(algorithm.startswith("RS") for algorithm in algorithms)
    size = _Size(rsa_keys, len(algorithms) - rsa_keys, len(documents.jwks.body))
    return tuple(sorted({*_algorithms(algorithms), *_sizes(size)}))


def check_served_keys(documents: IssuerDocuments) -> tuple[Finding, ...]:
    """The same of a key set as it was fetched; what is no key to verify with is left out."""
    keys = (public_key(jwk) for jwk in documents.keys)
    algorithms = [key.algorithm for key in keys if key is not None]
    rsa_keys = sum(algorithm.startswith("RS") for algorithm in algorithms)
    size = _Size(rsa_keys, len(algorithms) - rsa_keys, documents.jwks_bytes)
    return tuple(sorted({*_algorithms(algorithms), *_sizes(size)}))


def _algorithms(algorithms: Iterable[str]) -> Iterable[Finding]:
    used = sorted(set(algorithms))
    for verifier, supported, source in _SUPPORTED:
        refused = [algorithm for algorithm in used if algorithm not in supported]
        if refused:
            yield Finding(verifier, f"it refuses tokens signed with {', '.join(refused)}", source)


def _sizes(size: _Size) -> Iterable[Finding]:
    for kind, count in (("RSA", size.rsa_keys), ("EC", size.ec_keys)):
        if count > MAX_KEYS_OF_A_KIND:
            reason = f"it finds at most {MAX_KEYS_OF_A_KIND} {kind} keys, and there are {count}"
            yield Finding("AWS", reason, _AWS)
    if size.jwks_bytes > _MAX_NIMBUS_BYTES:
        yield Finding(
            "Nimbus",
            f"it reads at most {_MAX_NIMBUS_BYTES} bytes, and the key set has {size.jwks_bytes}",
            _NIMBUS,
        )
