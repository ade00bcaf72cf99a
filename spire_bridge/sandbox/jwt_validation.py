"""ValidateJWTSVID: verifying a token as an agent does, with this room's own means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import grpc
from joserfc import jws
from joserfc.errors import JoseError

from spire_bridge.sandbox.bundle import PublishedBundle
from spire_bridge.sandbox.errors import Refusal
from spire_bridge.sandbox.jwt_authority import SigningKey
from spire_bridge.spiffe.id import InvalidSpiffeId, SpiffeId

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")

# SPIRE's JWT library forgives clocks that differ by this much.
LEEWAY_SECONDS = 60

# All that an agent passes on of a token from another trust domain.
FOREIGN_CLAIMS = frozenset({"sub", "exp", "aud"})


def validate(
    token: str, audience: str, bundles: Mapping[str, PublishedBundle], *, home: str, now: float
) -> tuple[SpiffeId, dict[str, Any]]:
    """The token's SPIFFE ID and claims, with `aud` as a list.

    `bundles` are those of the caller by trust domain, `home` the agent's own one. Raises
    `Refusal` (InvalidArgument) for a token that does not hold.
    """
    key_id, claims = _unverified(token)
    for name in ("sub", "exp"):
        if not claims.get(name):
            raise _refused(f"token has no {name} claim")
    try:
        spiffe_id = SpiffeId.parse(str(claims["sub"]))
    except InvalidSpiffeId as error:
        raise _refused(f"token has an invalid subject claim: {error}") from error
    trust_domain = spiffe_id.trust_domain.name
    _verify_signature(token, _key(bundles, trust_domain, key_id))
    audiences = _check_claims(claims, audience, now)
    if trust_domain != home:
        claims = {name: value for name, value in claims.items() if name in FOREIGN_CLAIMS}
    return spiffe_id, {**claims, "aud": audiences}


def _unverified(token: str) -> tuple[str, dict[str, Any]]:
    try:
        parsed = jws.extract_compact(token.encode())
        claims = json.loads(parsed.payload)
    except (JoseError, ValueError) as error:
        raise _refused("unable to parse JWT token") from error
    key_id = parsed.headers().get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise _refused("token header missing key id")
    if not isinstance(claims, dict):
        raise _refused("token claims are not an object")
    return key_id, claims


def _key(bundles: Mapping[str, PublishedBundle], trust_domain: str, key_id: str) -> SigningKey:
    if trust_domain not in bundles:
        raise _refused(f'no keys found for trust domain "{trust_domain}"')
    key = bundles[trust_domain].jwt_keys.get(key_id)
    if key is None:
        raise _refused(f'public key "{key_id}" not found in trust domain "{trust_domain}"')
    return key


def _verify_signature(token: str, key: SigningKey) -> None:
    try:
        jws.deserialize_compact(token, key, algorithms=ALGORITHMS)
    except (JoseError, ValueError) as error:
        raise _refused("error in cryptographic primitive") from error


def _check_claims(claims: Mapping[str, Any], audience: str, now: float) -> list[str]:
    aud = claims.get("aud", [])
    audiences = [aud] if isinstance(aud, str) else aud
    if not isinstance(audiences, list) or audience not in audiences:
        raise _refused(f'expected audience in ["{audience}"]')
    if now > _time(claims, "exp") + LEEWAY_SECONDS:
        raise _refused("token has expired")
    for name in ("nbf", "iat"):
        if now < _time(claims, name) - LEEWAY_SECONDS:
            raise _refused(f"token is not valid yet, by its {name} claim")
    return audiences


def _time(claims: Mapping[str, Any], name: str) -> float:
    """The claim in seconds since the epoch; 0 if there is none."""
    value = claims.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"token has a {name} claim that is no time")
    return value


def _refused(details: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, details)
