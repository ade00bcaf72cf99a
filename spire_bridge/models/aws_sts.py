"""AWS STS' endpoint, as documented: AssumeRoleWithWebIdentity in, XML out.

A model made from documentation; its credentials open nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from spire_bridge.cloud.aws.limits import DEFAULT_SESSION_SECONDS
from spire_bridge.cloud.aws.sts import AwsTrust, Request, evaluate
from spire_bridge.cloud.rule import Refusal
from spire_bridge.listen import http
from spire_bridge.models.parameters import InvalidParameters, form, query
from spire_bridge.models.surroundings import Surroundings
from spire_bridge.models.temporary_credentials import TemporaryCredentials, assumed_role_id
from spire_bridge.models.xml_document import Content, xml_document

ACTION = "AssumeRoleWithWebIdentity"
VERSION = "2011-06-15"

_NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
_REQUIRED = ("RoleArn", "RoleSessionName", "WebIdentityToken")

# AWS STS API Reference, Common Errors; the wording of most is assumed.
_MALFORMED = Refusal("MalformedQueryString", "The query string contains a syntax error.", 404)
_MISSING_ACTION = Refusal(
    "MissingAction", "The request is missing an action or a required parameter.", assumed=True
)
_NO_NUMBER = Refusal("MalformedInput", "DurationSeconds is no number", assumed=True)
# Whether a role is not there or does not trust the caller, STS does not tell.
_NO_ROLE = Refusal("AccessDenied", f"Not authorized to perform sts:{ACTION}", 403)


class AwsSts:
    """Answers for the roles that are described, each by its ARN."""

    def __init__(self, roles: Iterable[AwsTrust], around: Surroundings) -> None:
        self._roles = {trust.role.arn: trust for trust in roles}
        self._around = around

    def __call__(self, request: http.Request) -> http.Response:
        try:
            parameters = form(request) if request.method == "POST" else query(request)
        except InvalidParameters:
            return _refused(_MALFORMED)
        problem = _problem(parameters)
        return _refused(problem) if problem is not None else self._assume(parameters)

    def _assume(self, parameters: Mapping[str, str]) -> http.Response:
        try:
            asked = _request(parameters)
        except ValueError:
            return _refused(_NO_NUMBER)
        trust = self._roles.get(asked.role_arn)
        if trust is None:
            return _refused(_NO_ROLE)
        presentation = self._around.present(parameters["WebIdentityToken"], trust.providers)
        verdict = self._around.judged(evaluate(presentation, trust.asked(asked)))
        if verdict.refusal is not None:
            return _refused(verdict.refusal)
        return _assumed(asked, verdict.identity, presentation.now)


def _problem(parameters: Mapping[str, str]) -> Refusal | None:
    """What is wrong with a request before anyone looks at its token."""
    action, version = parameters.get("Action"), parameters.get("Version", "")
    if action is None:
        return _MISSING_ACTION
    if (action, version) != (ACTION, VERSION):
        message = f"Could not find operation {action} for version {version}"
        return Refusal("InvalidAction", message, assumed=True)
    for name in _REQUIRED:
        if name not in parameters:
            member = name[0].lower() + name[1:]
            message = (
                f"1 validation error detected: Value null at '{member}' failed to satisfy"
                " constraint: Member must not be null"
            )
            return Refusal("ValidationError", message, assumed=True)
    return None


def _request(parameters: Mapping[str, str]) -> Request:
    """Raises `ValueError` for a duration that is no number."""
    return Request(
        role_arn=parameters["RoleArn"],
        session_name=parameters["RoleSessionName"],
        duration_seconds=_seconds(parameters.get("DurationSeconds", "")),
        provider_id=parameters.get("ProviderId", ""),
        policy=parameters.get("Policy", ""),
        policy_arns=tuple(
            value
            for name, value in parameters.items()
            if name.startswith("PolicyArns.member.") and name.endswith(".arn")
        ),
    )


def _seconds(text: str) -> int:
    if len(text) > 9:
        raise ValueError("no duration has so many digits")
    return int(text) if text else DEFAULT_SESSION_SECONDS


def _assumed(asked: Request, identity: Mapping[str, Any], now: float) -> http.Response:
    credentials = TemporaryCredentials.until(now + identity["DurationSeconds"])
    result: list[tuple[str, Content]] = [
        ("SubjectFromWebIdentityToken", identity["SubjectFromWebIdentityToken"]),
        ("Audience", identity["Audience"]),
        (
            "AssumedRoleUser",
            (
                ("Arn", identity["Arn"]),
                ("AssumedRoleId", assumed_role_id(asked.role_arn, asked.session_name)),
            ),
        ),
        (
            "Credentials",
            (
                ("AccessKeyId", credentials.access_key_id),
                ("SecretAccessKey", credentials.secret_access_key),
                ("SessionToken", credentials.session_token),
                ("Expiration", credentials.expiration),
            ),
        ),
        ("Provider", identity["Provider"]),
    ]
    if source := identity.get("SourceIdentity"):
        result.append(("SourceIdentity", source))
    request_id = str(uuid.uuid4())
    return _answer(
        200,
        f"{ACTION}Response",
        ((f"{ACTION}Result", tuple(result)), ("ResponseMetadata", (("RequestId", request_id),))),
        request_id,
    )


def _refused(refusal: Refusal) -> http.Response:
    request_id = str(uuid.uuid4())
    kind = "Sender" if refusal.status < 500 else "Receiver"
    error = (("Type", kind), ("Code", refusal.code), ("Message", refusal.message))
    return _answer(
        refusal.status, "ErrorResponse", (("Error", error), ("RequestId", request_id)), request_id
    )


def _answer(status: int, name: str, content: Content, request_id: str) -> http.Response:
    headers = (("content-type", "text/xml"), ("x-amzn-requestid", request_id))
    return http.Response(status, headers, xml_document(name, _NAMESPACE, content))
