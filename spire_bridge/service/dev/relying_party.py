"""A relying party that is not ours: PyJWT, which finds the keys through discovery."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import urllib.request
from dataclasses import dataclass
from typing import Any, Self

from spire_bridge.errors import BridgeError
from spire_bridge.issuer.url import DISCOVERY_PATH

_LOOPBACK = "127.0.0.1"
_TIMEOUT_SECONDS = 5
_MAX_DOCUMENT_BYTES = 1024 * 1024


class VerifierMissing(BridgeError):
    """The independent verifier is not installed."""

    code = "VERIFIER_MISSING"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a token was accepted, and if not, the verifier's own words."""

    accepted: bool
    reason: str = ""

    def __str__(self) -> str:
        return "PyJWT accepts it" if self.accepted else f"PyJWT refuses it ({self.reason})"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """PyJWT as a relying party of an issuer on this machine.

    `tls` is whom it trusts if the issuer speaks https.
    """

    jwt: Any
    tls: ssl.SSLContext | None = None

    @classmethod
    def load(cls, tls: ssl.SSLContext | None = None) -> Self:
        """Imports PyJWT, which is an extra. Raises `VerifierMissing`."""
        try:
            import jwt
        except ImportError:
            raise VerifierMissing(
                "PyJWT, the independent verifier of the walk-through, is not installed",
                hint="pip install 'spire-bridge[dev]'",
            ) from None
        _admit_no_proxy()
        return cls(jwt, tls)

    async def verify(self, issuer: str, token: str, audience: str) -> Verdict:
        """Verifies `token` with nothing but the issuer's URL to go by."""
        return await asyncio.to_thread(self._verify, issuer, token, audience)

    async def key_ids(self, issuer: str) -> frozenset[str]:
        """The IDs of the keys that the issuer serves; none while it serves no set."""
        return await asyncio.to_thread(self._key_ids, issuer)

    def _verify(self, issuer: str, token: str, audience: str) -> Verdict:
        discovery = self._get_json(issuer + DISCOVERY_PATH)
        client = self.jwt.PyJWKClient(discovery["jwks_uri"], ssl_context=self.tls)
        try:
            key = client.get_signing_key_from_jwt(token)
            self.jwt.decode(
                token,
                key,
                algorithms=discovery["id_token_signing_alg_values_supported"],
                audience=audience,
                issuer=discovery["issuer"],
            )
        except self.jwt.PyJWTError as error:
            return Verdict(False, str(error).partition(":")[0])
        return Verdict(True)

    def _key_ids(self, issuer: str) -> frozenset[str]:
        try:
            return frozenset(key["kid"] for key in self._get_json(f"{issuer}/keys")["keys"])
        except OSError:
            return frozenset()

    def _get_json(self, url: str) -> Any:
        with urllib.request.urlopen(  # noqa: S310 - our own
            url, timeout=_TIMEOUT_SECONDS, context=self.tls
        ) as response:
            return json.loads(response.read(_MAX_DOCUMENT_BYTES))


def _admit_no_proxy() -> None:
    """PyJWT asks through urllib, which takes even this machine's addresses to a proxy."""
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = f"{excepted},{_LOOPBACK}" if excepted else _LOOPBACK
