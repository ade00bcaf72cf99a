"""Entra's client credentials with a JWT-SVID as assertion (RFC 7523)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from spire_bridge.credentials.access_token import AccessToken, answered_object
from spire_bridge.credentials.azure.application import Application
from spire_bridge.credentials.azure.errors import InvalidAzureSetting
from spire_bridge.credentials.azure.refusals import refusal
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest

Send = Callable[[HttpRequest], HttpAnswer]

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SCOPE = re.compile(r"[A-Za-z0-9._:/-]{1,500}")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token of `application` for what `scope` names. Raises `InvalidAzureSetting`."""

    application: Application
    scope: str

    def __post_init__(self) -> None:
        if not _SCOPE.fullmatch(self.scope) or not self.scope.endswith("/.default"):
            raise InvalidAzureSetting(
                "an application is given no such scope", hint="name a resource: RESOURCE/.default"
            )

    def request(self, svid: UnverifiedJwtSvid) -> HttpRequest:
        form = {
            "client_id": self.application.client_id,
            "scope": self.scope,
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION,
            "client_assertion": svid.token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode("ascii")
        return HttpRequest("POST", self.application.token_url, headers, body)

    def __call__(self, svid: UnverifiedJwtSvid, send: Send, *, now: float) -> AccessToken:
        """The token for a JWT-SVID; `now` is in seconds since the epoch.

        Raises `EntraRefused`; `EntraAway`, which may be tried again; `UnexpectedEntraAnswer`;
        and what `send` raises.
        """
        return read_answer(send(self.request(svid)), now=now)


def read_answer(answer: HttpAnswer, *, now: float) -> AccessToken:
    """The token in an answer. Raises as a request does."""
    content = answered_object(answer)
    if answer.status == 200:
        value, seconds = content.get("access_token"), content.get("expires_in")
        if token := AccessToken.of(value, seconds, now=now):
            return token
    raise refusal(answer, content)
