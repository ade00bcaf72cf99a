"""What the rules of AssumeRoleWithWebIdentity look at, and the answers that several give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, Self

from spire_bridge.cloud.aws.signing_key import signing_key
from spire_bridge.cloud.aws.trust import AwsTrust, Provider
from spire_bridge.cloud.aws.web_identity import Carried, audience, texts
from spire_bridge.cloud.presentation import Presentation
from spire_bridge.cloud.rule import Check, Refusal

# Where rules are written. The answers that were captured are those of the real service, to
# tokens made for the purpose: github.com/radkawar/stackd, internal/services/sts/testdata/oidc.
API = "AWS STS API Reference: AssumeRoleWithWebIdentity"
ERRORS = "AWS STS API Reference: AssumeRoleWithWebIdentity, Errors"
CAPTURED = "captured answers of AWS STS (radkawar/stackd, testdata/oidc)"
GUIDE = "AWS IAM User Guide"

invalid_token = partial(Refusal, "InvalidIdentityToken")

NO_JWT = invalid_token(
    "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
)
NOT_VALIDATED = invalid_token(
    "The web identity token provided could not be validated."
    " See the AssumeRoleWithWebIdentity documentation for requirements."
)
NO_KEY = invalid_token(
    "Couldn't retrieve verification key from your identity provider,"
    "  please reference AssumeRoleWithWebIdentity documentation for requirements"
)

PASSED = Check()

_END_OF_TIME = 2**40


def whole_seconds(now: float) -> int:
    """A moment as AWS counts it; the end of time for what is no moment."""
    return math.floor(now) if math.isfinite(now) else _END_OF_TIME


def access_denied(message: str, *, assumed: bool = False) -> Refusal:
    return Refusal("AccessDenied", message, 403, assumed)


class Case(NamedTuple):
    """A token for a role. `now` is in whole seconds, as STS counts; `audience` is what stands
    for `audiences` in registration, conditions and answer: `azp`, or else the only `aud`. `key`
    is the one that STS would verify with, of the kind that the algorithm needs.
    """

    presentation: Presentation
    trust: AwsTrust
    claims: Mapping[str, Any]
    now: int
    issuer: str
    audiences: tuple[str, ...]
    audience: str
    provider: Provider | None
    carried: Carried
    algorithm: str
    kind: str
    key: Mapping[str, Any] | None

    @classmethod
    def of(cls, presentation: Presentation, trust: AwsTrust) -> Self:
        claims = presentation.token.claims
        audiences = texts(claims.get("aud"))
        algorithm = presentation.token.algorithm or "none"
        kind = "RSA" if algorithm.startswith("RS") else "EC"
        issuer = claims.get("iss")
        issuer = issuer if isinstance(issuer, str) else ""
        return cls(
            presentation,
            trust,
            claims,
            whole_seconds(presentation.now),
            issuer,
            audiences,
            audience(claims, audiences),
            trust.providers.get(issuer),
            Carried.of(claims),
            algorithm,
            kind,
            signing_key(presentation, kind),
        )
