"""What spiffe-helper's files hold beyond PEM."""

from __future__ import annotations

from base64 import b64encode

from spire_bridge.service.drop_in.go_json import go_json
from spire_bridge.spiffe.jwt_bundle import JwtBundle
from spire_bridge.workload.messages import BundleSet

# The order of go-jose.
_JWK_MEMBERS = ("kty", "kid", "crv", "x", "y", "n", "e")


def jwt_bundles_file(bundles: BundleSet[JwtBundle]) -> bytes:
    """Each trust domain's JWK set in base64, by its name; no newline at the end."""
    sets = {str(name): bundle for name, bundle in bundles.items()}
    return go_json({name: b64encode(jwk_set(sets[name])).decode() for name in sorted(sets)})


def jwk_set(bundle: JwtBundle) -> bytes:
    """A JWK set as go-spiffe writes it, but by key ID: there the order is random."""
    keys = []
    for key_id, authority in sorted(bundle.authorities.items()):
        members = {**authority.key.to_jwk(), "kid": key_id}
        keys.append({name: members[name] for name in _JWK_MEMBERS if name in members})
    return go_json({"keys": keys})
