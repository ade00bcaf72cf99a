"""JWT bundles as JSON, for verifiers that read keys from a file."""

from __future__ import annotations

import json
from typing import Any

from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.workload.messages import BundleSet


def jwk_set(bundle: JwtBundle) -> dict[str, Any]:
    """One trust domain's keys as a JWK set (RFC 7517), each with `kid` and `alg`."""
    authorities = bundle.authorities.values()
    keys = [{**a.key.to_jwk(), "kid": a.key_id, "alg": a.key.algorithm} for a in authorities]
    return {"keys": keys}


def jwt_bundles_json(bundles: BundleSet[JwtBundle]) -> bytes:
    """Every trust domain's JWK set, by its name."""
    sets = {str(name): jwk_set(bundle) for name, bundle in bundles.items()}
    return json.dumps(sets, indent=2, sort_keys=True).encode() + b"\n"
