"""Google's token exchange and its impersonation of service accounts, as documented.

A model made from documentation; its tokens open nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from spire_bridge.cloud.google.sts import GoogleTrust, evaluate
from spire_bridge.cloud.google.trust import RESOURCE_PREFIX
from spire_bridge.cloud.rule import Refusal, Verdict
from spire_bridge.listen.http import Request, Response
from spire_bridge.models.json_answer import json_answer
from spire_bridge.models.parameters import InvalidParameters, form, json_object
from spire_bridge.models.surroundings import Surroundings

EXCHANGE_PATH = "/v1/token"
IMPERSONATION_PATH = re.compile(
    r"/v1/projects/-/serviceAccounts/(?P<account>[^/:]+):generateAccessToken"
)
MAX_KEPT_TOKENS = 1_000
MAX_LIFETIME_SECONDS = 3_600

_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, no token
# What each parameter may be (Google Cloud STS v1: token). That a wrong one is an invalid request
# is known, and the wording is assumed: it is that of a wrong audience.
_ADMITTED = {
    "grant_type": ("urn:ietf:params:oauth:grant-type:token-exchange",),
    "requested_token_type": (_ACCESS_TOKEN,),
    "subject_token_type": (
        "urn:ietf:params:oauth:token-type:jwt",
        "urn:ietf:params:oauth:token-type:id_token",
    ),
}
_UNREADABLE = Refusal("invalid_request", "The request can't be read.", assumed=True)
_NO_PROVIDER = Refusal(
    "invalid_target",
    'The target service indicated by the "audience" parameters is invalid. This might either be'
    " because the pool or provider is disabled or deleted or because it doesn't exist.",
)
_NOT_AUTHENTICATED = Refusal(
    "UNAUTHENTICATED",
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie"
    " or other valid authentication credential. See"
    " https://developers.google.com/identity/sign-in/web/devconsole-project.",
    401,
    assumed=True,
)
_DENIED = Refusal(
    "PERMISSION_DENIED",
    "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
    403,
)


@dataclass(frozen=True, slots=True)
class _Federated:
    """Who holds an access token of the exchange, and what it is to its service account."""

    impersonation: Verdict
    account: str
    expires_at: float


class Google:
    """Answers for the providers that are described, each by its full name."""

    def __init__(self, providers: Iterable[GoogleTrust], around: Surroundings) -> None:
        self._providers = {RESOURCE_PREFIX + trust.provider: trust for trust in providers}
        self._around = around
        self._federated: dict[str, _Federated] = {}

    def exchange(self, request: Request) -> Response:
        """sts.googleapis.com/v1/token (RFC 8693)."""
        if request.method != "POST":
            return _oauth_error(replace(_UNREADABLE, status=405))
        try:
            parameters = form(request)
        except InvalidParameters:
            return _oauth_error(_UNREADABLE)
        for name, admitted in _ADMITTED.items():
            if parameters.get(name) not in admitted:
                return _oauth_error(_invalid(name))
        return self._exchange(parameters.get("audience", ""), parameters.get("subject_token", ""))

    def impersonate(self, request: Request) -> Response:
        """iamcredentials.googleapis.com, generateAccessToken."""
        match = IMPERSONATION_PATH.fullmatch(request.path)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        federated = self._federated.get(token)
        if scheme.lower() != "bearer" or federated is None or match is None:
            return _api_error(_NOT_AUTHENTICATED)
        now = self._around.clock()
        if federated.expires_at <= now:
            return _api_error(_NOT_AUTHENTICATED)
        try:
            seconds = _lifetime(json_object(request))
        except InvalidParameters as error:
            return _api_error(Refusal("INVALID_ARGUMENT", str(error), assumed=True))
        if unquote(match["account"]) != federated.account:
            return _api_error(_DENIED)
        verdict = self._around.judged(federated.impersonation)
        if verdict.refusal is not None:
            return _api_error(verdict.refusal)
        return json_answer(
            200, {"accessToken": _new_token(), "expireTime": _written(now + seconds)}
        )

    def _exchange(self, audience: str, subject_token: str) -> Response:
        known = self._providers.get(audience)
        # Any other knows what is wrong with a name that is none of a provider.
        trust = known or next(iter(self._providers.values()), None)
        if trust is None:
            return _oauth_error(_NO_PROVIDER)
        trusted = () if trust.uploaded_keys else (trust.issuer,)
        presentation = self._around.present(subject_token, trusted)
        asked = replace(trust, exchange_audience=audience)
        verdict = evaluate(presentation, replace(asked, service_account=None))
        self._around.judged(verdict)
        if verdict.refusal is not None:
            return _oauth_error(verdict.refusal)
        token, seconds = _new_token(), verdict.identity["expires_in"]
        if trust.service_account is not None:
            account = trust.service_account.email
            impersonation = evaluate(presentation, asked)
            self._keep(token, _Federated(impersonation, account, presentation.now + seconds))
        return json_answer(
            200,
            {
                "access_token": token,
                "issued_token_type": _ACCESS_TOKEN,
                "token_type": "Bearer",
                "expires_in": seconds,
            },
        )

    def _keep(self, token: str, federated: _Federated) -> None:
        """Remembers who has the token; the oldest ones are forgotten first."""
        while len(self._federated) >= MAX_KEPT_TOKENS:
            del self._federated[next(iter(self._federated))]
        self._federated[token] = federated


def _invalid(parameter: str) -> Refusal:
    return Refusal("invalid_request", f'Invalid value for "{parameter}".', assumed=True)


def _lifetime(parameters: Mapping[str, Any]) -> int:
    """Of `lifetime`, which is written as `600s`. Raises `InvalidParameters`."""
    text = parameters.get("lifetime", f"{MAX_LIFETIME_SECONDS}s")
    match = re.fullmatch(r"([0-9]{1,6})s", text) if isinstance(text, str) else None
    if match is None or not 1 <= int(match[1]) <= MAX_LIFETIME_SECONDS:
        raise InvalidParameters(f"lifetime must be from 1s to {MAX_LIFETIME_SECONDS}s")
    return int(match[1])


def _new_token() -> str:
    """Of the shape of Google's, and known to nobody else."""
    return f"ya29.model.{secrets.token_urlsafe(48)}"


def _written(seconds: float) -> str:
    return f"{datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None).isoformat()}Z"


def _oauth_error(refusal: Refusal) -> Response:
    content = {"error": refusal.code, "error_description": refusal.message}
    return json_answer(refusal.status, content)


def _api_error(refusal: Refusal) -> Response:
    error = {"code": refusal.status, "message": refusal.message, "status": refusal.code}
    return json_answer(refusal.status, {"error": error})
