"""IAM Roles Anywhere's CreateSession: an X.509-SVID for temporary credentials."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from spire_bridge.cloud.aws.limits import DEFAULT_SESSION_SECONDS
from spire_bridge.cloud.aws.request_parameters import parameter_faults
from spire_bridge.credentials.aws.errors import InvalidRequest, UnexpectedAnswer
from spire_bridge.credentials.aws.refusals import ROLES_ANYWHERE, refusal
from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.credentials.aws.x509_signature import canonical_query, signed_headers
from spire_bridge.jose.errors import InvalidJson
from spire_bridge.jose.strict_json import parse_object
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest

Send = Callable[[HttpRequest], HttpAnswer]

_PATH = "/sessions"
_MAX_BYTES = 64 * 1024
_LOOK_CLOSER = "spire-bridge trust evaluate --roles-anywhere role.json"
_ANY_NAME = "any"


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What session is wanted, and of whom; what is empty or None is the profile's default.

    `session_name` is for profiles that accept one.
    """

    endpoint: str
    region: str
    trust_anchor_arn: str
    profile_arn: str
    role_arn: str
    session_name: str = ""
    duration_seconds: int | None = None


def create_session(
    wanted: SessionRequest, svid: X509Svid, send: Send, now: float
) -> TemporaryCredentials:
    """The credentials of a session of the role; `now` is in seconds since the epoch.

    Raises `InvalidRequest` for parameters outside the API's limits, which are not sent;
    `UnsupportedKey`; `AwsRefused` or `TryAgain`, by what Roles Anywhere says; and what `send`
    raises.
    """
    return read_answer(send(request(wanted, svid, now)))


def request(wanted: SessionRequest, svid: X509Svid, now: float) -> HttpRequest:
    """The call, signed by the SVID's key. Raises `InvalidRequest` and `UnsupportedKey`."""
    _check(wanted)
    query = {
        "profileArn": wanted.profile_arn,
        "roleArn": wanted.role_arn,
        "trustAnchorArn": wanted.trust_anchor_arn,
    }
    content: dict[str, Any] = {}
    if wanted.duration_seconds is not None:
        content["durationSeconds"] = wanted.duration_seconds
    if wanted.session_name:
        content["roleSessionName"] = wanted.session_name
    body = json.dumps(content).encode()
    endpoint = wanted.endpoint.rstrip("/")
    parts = urlsplit(endpoint)
    headers = signed_headers(
        svid,
        path=f"{parts.path}{_PATH}",
        query=query,
        headers={"content-type": "application/json", "host": parts.netloc},
        body=body,
        region=wanted.region,
        now=now,
    )
    return HttpRequest("POST", f"{endpoint}{_PATH}?{canonical_query(query)}", headers, body)


def read_answer(answer: HttpAnswer) -> TemporaryCredentials:
    """The credentials in an answer. Raises `AwsRefused` and `TryAgain`."""
    try:
        content = parse_object(answer.body, what="the answer", max_bytes=_MAX_BYTES)
    except InvalidJson:
        content = {}
    if answer.status in {200, 201} and (credentials := _credentials(content)) is not None:
        names = ("accessKeyId", "secretAccessKey", "sessionToken", "expiration")
        return TemporaryCredentials.read(*(credentials.get(name) for name in names))
    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    if answer.status > 201 and (code or answer.status == 429 or answer.status >= 500):
        message = content.get("message")
        raise refusal(
            "IAM Roles Anywhere",
            answer.status,
            code or f"HTTP {answer.status}",
            message if isinstance(message, str) else "",
            clauses=ROLES_ANYWHERE,
            look_closer=_LOOK_CLOSER,
        )
    raise UnexpectedAnswer(
        f"IAM Roles Anywhere answered with HTTP {answer.status}, and not in the words of its API",
        hint="is the endpoint Roles Anywhere? A proxy on the way may have answered in its place",
    )


def _check(wanted: SessionRequest) -> None:
    faults = parameter_faults(
        role_arn=wanted.role_arn,
        session_name=wanted.session_name or _ANY_NAME,
        duration_seconds=wanted.duration_seconds or DEFAULT_SESSION_SECONDS,
        policy="",
    )
    if fault := next(faults, ""):
        raise InvalidRequest(fault, hint="change the request; it was not sent")


def _credentials(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """`credentialSet[0].credentials`, if it is there."""
    listed = content.get("credentialSet")
    first = listed[0] if isinstance(listed, list) and listed else None
    credentials = first.get("credentials") if isinstance(first, dict) else None
    return credentials if isinstance(credentials, dict) else None
