"""Entra's token endpoint, as documented: client credentials with a federated assertion.

A model made from documentation; its tokens open nothing. The tenant's metadata is there too,
since MSAL, on which most of the SDKs are built, asks for it first.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from spire_bridge.cloud.entra.refusals import oauth_error, refusal, unknown_application
from spire_bridge.cloud.entra.refusals import unknown_tenant as unknown
from spire_bridge.cloud.entra.sts import EntraTrust, evaluate
from spire_bridge.cloud.entra.trust import TokenRequest
from spire_bridge.cloud.rule import Refusal
from spire_bridge.listen.http import Request, Response
from spire_bridge.models.json_answer import json_answer
from spire_bridge.models.parameters import InvalidParameters, form
from spire_bridge.models.surroundings import Surroundings

PATH = re.compile(r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token")
METADATA_PATH = re.compile(r"/(?P<tenant>[^/]+)/v2\.0/\.well-known/openid-configuration")

_GRANT_TYPE = "client_credentials"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ONLY_POST = refusal(
    900561, "The endpoint only accepts POST requests. Received another request.", assumed=True
)


class Entra:
    """Answers for the applications that are described, each by its tenant and ID."""

    def __init__(self, applications: Iterable[EntraTrust], around: Surroundings) -> None:
        self._applications = {(t.tenant, t.application): t for t in applications}
        self._tenants = {tenant for tenant, _ in self._applications}
        self._around = around

    def metadata(self, request: Request) -> Response:
        """OpenID Connect Discovery of a tenant: where its endpoints are."""
        match = METADATA_PATH.fullmatch(request.path)
        tenant = match["tenant"] if match is not None else ""
        if tenant not in self._tenants:
            return _error(unknown(tenant), self._around.clock(), _correlation_id(request))
        here = f"https://{request.headers.get('host', '')}/{tenant}/oauth2/v2.0"
        return json_answer(
            200,
            {
                "token_endpoint": f"{here}/token",
                "authorization_endpoint": f"{here}/authorize",
                "issuer": f"https://login.microsoftonline.com/{tenant}/v2.0",
            },
        )

    def token(self, request: Request) -> Response:
        """A token, or why there is none."""
        match = PATH.fullmatch(request.path)
        tenant = match["tenant"] if match is not None else ""
        correlation_id = _correlation_id(request)
        answer = self._answer(request, tenant)
        if isinstance(answer, Refusal):
            return _error(answer, self._around.clock(), correlation_id)
        return json_answer(
            200,
            {
                "token_type": "Bearer",
                "expires_in": answer,
                "ext_expires_in": answer,
                "access_token": f"model.{secrets.token_urlsafe(64)}",
            },
            (("client-request-id", correlation_id),),
        )

    def _answer(self, request: Request, tenant: str) -> Refusal | int:
        """A refusal, or for how many seconds there is a token."""
        if request.method != "POST":
            return _ONLY_POST
        try:
            parameters = form(request)
        except InvalidParameters as error:
            if error.repeated:
                return _invalid(error.repeated)
            parameters = {}  # to Entra, there are none then
        problem = _problem(parameters)
        if problem is not None:
            return problem
        asked = TokenRequest(tenant, parameters["client_id"], parameters["scope"])
        trust = self._applications.get((asked.tenant, asked.client_id))
        if trust is None:
            if asked.tenant not in self._tenants:
                return unknown(asked.tenant)
            return unknown_application(asked.client_id, asked.tenant)
        return self._judge(parameters["client_assertion"], replace(trust, request=asked))

    def _judge(self, assertion: str, trust: EntraTrust) -> Refusal | int:
        trusted = {credential.issuer for credential in trust.credentials}
        presentation = self._around.present(assertion, trusted)
        verdict = self._around.judged(evaluate(presentation, trust))
        return verdict.refusal or int(verdict.identity["expires_in"])


def _problem(parameters: Mapping[str, str]) -> Refusal | None:
    """What is wrong with a request before anyone looks at its assertion; assumed throughout."""
    for name in ("grant_type", "client_id", "scope"):
        if not parameters.get(name):
            text = f"The request body must contain the following parameter: '{name}'."
            return refusal(900144, text, assumed=True)
    grant_type = parameters["grant_type"]
    if grant_type != _GRANT_TYPE:
        text = f"The app requested an unsupported grant type '{grant_type}'."
        return refusal(70003, text, assumed=True)
    if parameters.get("client_assertion_type") != _ASSERTION_TYPE:
        return _invalid("client_assertion_type")
    if not parameters.get("client_assertion"):
        text = (
            "'client_assertion', 'client_secret' or 'request' is required for the"
            " 'client_credentials' grant type."
        )
        return refusal(7000216, text, assumed=True)
    return None


def _invalid(parameter: str) -> Refusal:
    return refusal(90100, f"The parameter '{parameter}' is empty or not valid.", assumed=True)


def _correlation_id(request: Request) -> str:
    """The caller's, so that both sides find the request in their logs, or a new one."""
    try:
        return str(uuid.UUID(request.headers.get("client-request-id", "")))
    except ValueError:
        return str(uuid.uuid4())


def _error(refused: Refusal, now: float, correlation_id: str) -> Response:
    trace_id = str(uuid.uuid4())
    written = datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    number = refused.code.removeprefix("AADSTS")
    return json_answer(
        refused.status,
        {
            "error": oauth_error(refused.code),
            "error_description": f"{refused.code}: {refused.message} Trace ID: {trace_id}"
            f" Correlation ID: {correlation_id} Timestamp: {written}",
            "error_codes": [int(number)],
            "timestamp": written,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        },
    )
