"""Google's token exchange, and the impersonation of a service account with what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from spire_bridge.credentials.access_token import AccessToken, answered_object
from spire_bridge.credentials.google.executable import JWT
from spire_bridge.credentials.google.provider import Endpoints, Provider, ServiceAccount
from spire_bridge.credentials.google.refusals import refusal
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest

Send = Callable[[HttpRequest], HttpAnswer]

DEFAULT_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_IAM_SCOPE = "https://www.googleapis.com/auth/iam"  # all that impersonation needs
_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type
_DEFAULT_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """For whom a token is wanted: the federated identity, or the `account` that it impersonates."""

    provider: Provider
    endpoints: Endpoints
    scopes: tuple[str, ...] = (DEFAULT_SCOPE,)
    account: ServiceAccount | None = None

    def exchange_request(self, svid: UnverifiedJwtSvid) -> HttpRequest:
        """Google Cloud STS v1: token (RFC 8693)."""
        form = {
            "grant_type": _GRANT,
            "audience": self.provider.audience,
            "scope": _IAM_SCOPE if self.account is not None else " ".join(self.scopes),
            "requested_token_type": _ACCESS_TOKEN,
            "subject_token_type": JWT,
            "subject_token": svid.token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return HttpRequest(
            "POST", self.endpoints.token_url, headers, urlencode(form).encode("ascii")
        )

    def impersonation_request(self, account: ServiceAccount, token: AccessToken) -> HttpRequest:
        """IAM Credentials v1: generateAccessToken."""
        seconds = account.lifetime_seconds or _DEFAULT_SECONDS
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token.value}"}
        body = {"scope": list(self.scopes), "lifetime": f"{seconds}s"}
        url = self.endpoints.impersonation_url(account)
        return HttpRequest("POST", url, headers, json.dumps(body).encode())

    def __call__(self, svid: UnverifiedJwtSvid, send: Send, *, now: float) -> AccessToken:
        """The access token for a JWT-SVID; `now` is in seconds since the epoch.

        Raises `GoogleRefused`; `GoogleAway`, which may be tried again; `UnexpectedGoogleAnswer`;
        and what `send` raises.
        """
        federated = read_exchange(send(self.exchange_request(svid)), now=now)
        if self.account is None:
            return federated
        request = self.impersonation_request(self.account, federated)
        return read_impersonation(send(request), self.account, now=now)


def read_exchange(answer: HttpAnswer, *, now: float) -> AccessToken:
    """The token in an answer of STS. Raises as a request does."""
    content = answered_object(answer)
    if answer.status == 200:
        value, seconds = content.get("access_token"), content.get("expires_in")
        if token := AccessToken.of(value, seconds, now=now):
            return token
    raise refusal(answer, content, what="the token")


def read_impersonation(answer: HttpAnswer, account: ServiceAccount, *, now: float) -> AccessToken:
    """The token in an answer of IAM Credentials. Raises as a request does."""
    content = answered_object(answer)
    if answer.status == 200:
        seconds = _moment(content.get("expireTime")) - int(now)
        if token := AccessToken.of(content.get("accessToken"), seconds, now=now):
            return token
    raise refusal(answer, content, what=f"the impersonation of {account.email}")


def _moment(text: object) -> int:
    """Seconds since the epoch of an RFC 3339 time with a zone; 0 for anything else."""
    if not isinstance(text, str):
        return 0
    try:
        moment = datetime.fromisoformat(text)
        return int(moment.timestamp()) if moment.tzinfo is not None else 0
    except (ValueError, OverflowError):
        return 0
