"""The model clouds with an issuer beside them that is no server: asked without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from forgery.tokens import jwk, jwk_set, rsa_key, signed

from spire_bridge.cloud.issuer_documents import IssuerDocuments
from spire_bridge.cloud.rule import Verdict
from spire_bridge.listen.http import Request, Response
from spire_bridge.models.issuer_cache import IssuerCache
from spire_bridge.models.model_clouds import ModelClouds
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.service.dev.cloud_accounts import Descriptions
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest

NOW = 1_789_123_721  # 2026-09-11T10:48:41Z
ISSUER = "https://127.0.0.1:8080"
SUBJECT = "spiffe://example.org/web"
KEY = rsa_key("model clouds")


@dataclass
class Issuer:
    """What is served at the issuer's URL, and how often it was asked for."""

    keys: tuple[str, ...] = ("one",)
    problem: str = ""
    asked: list[str] = field(default_factory=list)

    def read(self, issuer: str) -> IssuerDocuments:
        self.asked.append(issuer)
        if self.problem:
            return IssuerDocuments.unreachable(self.problem)
        keys = (jwk(KEY, kid=kid, use="sig", alg="RS256") for kid in self.keys)
        return IssuerDocuments.read(json.dumps({"issuer": ISSUER}).encode(), jwk_set(*keys))


@dataclass
class Clouds:
    """The clouds as requests reach them, and what they said to those who look on."""

    issuer: Issuer = field(default_factory=Issuer)
    now: float = NOW
    verdicts: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        cache = IssuerCache(self.issuer.read, clock=lambda: self.now)
        around = Surroundings(cache, lambda: self.now, self.verdicts.append)
        self._models = ModelClouds(Descriptions.of(ISSUER, SUBJECT).trust(), around)

    def ask(self, request: Request) -> Response:
        return self._models.over_https(request)

    def post(
        self,
        path: str,
        form: Mapping[str, str] | bytes,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        fields = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.ask(Request("POST", path, fields, path, body=body))

    def send(self, request: HttpRequest) -> HttpAnswer:
        """In the place of a network."""
        path = urlsplit(request.url).path
        headers = {name.lower(): value for name, value in request.headers.items()}
        response = self.ask(Request(request.method, path, headers, path, body=request.body))
        return HttpAnswer(response.status, dict(response.headers), response.body)


def token(key_id: str = "one", **changes: Any) -> str:
    """A good token but for these claims; None leaves one out."""
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": ["demo"], "iat": NOW - 10, "exp": NOW + 290}
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return signed(KEY, {"alg": "RS256", "kid": key_id, "typ": "JWT"}, kept)


# What no endpoint can read, each with its content type.
FORM = "application/x-www-form-urlencoded"
UNREADABLE = [
    pytest.param(FORM, b"a=%ff", id="bad UTF-8"),
    pytest.param(FORM, b"a=\xff", id="bytes that are not encoded"),
    pytest.param(FORM, b"&".join(b"p%d=1" % i for i in range(200)), id="too many parameters"),
    pytest.param("text/plain", b"a=1", id="another type"),
    pytest.param("application/json", b"{}", id="JSON"),
    pytest.param("", b"", id="nothing"),
]
