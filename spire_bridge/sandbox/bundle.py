"""What a trust domain publishes at one moment, in the forms that agents hand out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spire_bridge.sandbox.jwt_authority import JwtAuthority, SigningKey
from spire_bridge.sandbox.life_cycle import Authority, KeyState
from spire_bridge.sandbox.x509_authority import X509Authority, certificate_der


@dataclass(frozen=True, slots=True)
class PublishedBundle:
    """One trust domain's bundle; the sound keys are those neither tainted nor revoked."""

    trust_domain: str
    jwt_keys: Mapping[str, SigningKey]
    jwks: bytes
    x509_der: bytes
    sound_jwt_keys: frozenset[str]
    sound_x509_keys: frozenset[str]

    @property
    def id(self) -> str:
        """The trust domain's SPIFFE ID: the name under which agents send the bundle."""
        return f"spiffe://{self.trust_domain}"

    @classmethod
    def of(cls, trust_domain: str, jwt: JwtAuthority, x509: X509Authority) -> PublishedBundle:
        jwks = {"keys": [key.public_jwk for key in jwt.keys]}
        return cls(
            trust_domain=trust_domain,
            jwt_keys={key.key_id: key.private_key for key in jwt.keys},
            jwks=json.dumps(jwks).encode(),
            x509_der=b"".join(certificate_der(key.root) for key in x509.keys),
            sound_jwt_keys=_sound(jwt),
            sound_x509_keys=_sound(x509),
        )


def _sound(authority: Authority[Any]) -> frozenset[str]:
    return frozenset(i for i, s in authority.states.items() if s is not KeyState.TAINTED)
