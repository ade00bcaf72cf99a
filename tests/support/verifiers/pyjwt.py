"""PyJWT as a relying party: it finds the keys through discovery and judges our tokens."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt as pyjwt

from verifiers.http_json import get
from verifiers.issuers import AUDIENCE
from verifiers.peer import Reasons, Trusted, Verdict


class RelyingParty:
    """Knows an issuer by its URL, and itself by its audience; fetches the keys when it has to.

    It asks for a key that it lacks, but not again within `cooldown_seconds`.
    """

    def __init__(
        self,
        issuer: str,
        audience: str = AUDIENCE,
        *,
        subject: str | None = None,
        ca: Path | None = None,
        cooldown_seconds: float = 0,
    ) -> None:
        self._audience = audience
        self._subject = subject
        url = issuer.removesuffix("/") + "/.well-known/openid-configuration"
        self._discovery = get(url, ca)
        # OpenID Connect Discovery, section 4.3: what was asked for, byte for byte.
        assert self._discovery["issuer"] == issuer
        self._keys = pyjwt.PyJWKClient(
            self._discovery["jwks_uri"],
            cooldown_duration=cooldown_seconds,
            ssl_context=ssl.create_default_context(cafile=ca) if ca else None,
        )

    def verify(self, token: str, *, issuer: str | None = None) -> dict[str, Any]:
        claims: dict[str, Any] = pyjwt.decode(
            token,
            self._keys.get_signing_key_from_jwt(token),
            algorithms=self._discovery["id_token_signing_alg_values_supported"],
            audience=self._audience,
            issuer=issuer or self._discovery["issuer"],
            subject=self._subject,
            options={"require": ["aud", "exp", "iat", "iss", "sub"]},
        )
        return claims

    def judge(self, token: str) -> Verdict:
        try:
            self.verify(token)
        except pyjwt.PyJWTError as error:
            return Verdict(accepted=False, reason=type(error).__name__)
        return Verdict(accepted=True)


class PyJwt:
    """PyJWT in this process."""

    refetches = False
    reasons = Reasons(
        audience="InvalidAudienceError",
        subject="InvalidSubjectError",
        issuer="InvalidIssuerError",
        expired="ExpiredSignatureError",
        forgery="InvalidSignatureError|InvalidAlgorithmError|PyJWKClientError",
    )

    @contextmanager
    def trusting(self, trusted: Trusted, folder: Path) -> Iterator[RelyingParty]:
        del folder  # it has no files
        yield RelyingParty(
            trusted.issuer,
            trusted.audience,
            subject=trusted.subject,
            ca=trusted.ca,
            cooldown_seconds=300,  # as long as the issuer says; its own choice is half a minute
        )
