"""STS' AssumeRoleWithWebIdentity: a JWT-SVID for temporary credentials (API version 2011-06-15)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from spire_bridge.cloud.aws.limits import DEFAULT_SESSION_SECONDS
from spire_bridge.cloud.aws.request_parameters import parameter_faults, token_fault
from spire_bridge.credentials.aws.errors import InvalidRequest, UnexpectedAnswer
from spire_bridge.credentials.aws.refusals import STS, refusal
from spire_bridge.credentials.aws.session_name import session_name
from spire_bridge.credentials.aws.temporary import TemporaryCredentials
from spire_bridge.credentials.aws.xml_answer import InvalidXml, texts_by_path
from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
from spire_bridge.transport.outgoing import HttpAnswer, HttpRequest

Send = Callable[[HttpRequest], HttpAnswer]

_ACTION = "AssumeRoleWithWebIdentity"
_CREDENTIALS = f"{_ACTION}Response/{_ACTION}Result/Credentials"


@dataclass(frozen=True, slots=True)
class RoleRequest:
    """What session is wanted, and of whom; what is empty or None is STS' default.

    `session_name` is made from the SPIFFE ID if it is empty; `policy` is a session policy, JSON.
    """

    endpoint: str
    role_arn: str
    session_name: str = ""
    duration_seconds: int | None = None
    policy: str = ""


def assume_role(wanted: RoleRequest, svid: UnverifiedJwtSvid, send: Send) -> TemporaryCredentials:
    """The credentials of a session of the role.

    Raises `InvalidRequest` for parameters outside the API's limits, which are not sent;
    `AwsRefused` or `TryAgain`, by what STS says; and what `send` raises.
    """
    return read_answer(send(request(wanted, svid)), svid)


def request(wanted: RoleRequest, svid: UnverifiedJwtSvid) -> HttpRequest:
    """The call, which is not signed: the token proves who calls. Raises `InvalidRequest`."""
    name = wanted.session_name or session_name(svid.spiffe_id)
    faults = (
        *parameter_faults(
            role_arn=wanted.role_arn,
            session_name=name,
            duration_seconds=wanted.duration_seconds or DEFAULT_SESSION_SECONDS,
            policy=wanted.policy,
        ),
        token_fault(len(svid.token)),
    )
    if fault := next(filter(None, faults), ""):
        raise InvalidRequest(fault, hint="change the request; it was not sent")
    form = {
        "Action": _ACTION,
        "Version": "2011-06-15",
        "RoleArn": wanted.role_arn,
        "RoleSessionName": name,
        "WebIdentityToken": svid.token,
    }
    if wanted.duration_seconds is not None:
        form["DurationSeconds"] = str(wanted.duration_seconds)
    if wanted.policy:
        form["Policy"] = wanted.policy
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return HttpRequest("POST", wanted.endpoint, headers, urlencode(form).encode())


def read_answer(answer: HttpAnswer, svid: UnverifiedJwtSvid) -> TemporaryCredentials:
    """The credentials in STS' answer about this token. Raises `AwsRefused` and `TryAgain`."""
    try:
        texts = texts_by_path(answer.body)
    except InvalidXml:
        texts = {}
    if answer.status == 200 and f"{_CREDENTIALS}/AccessKeyId" in texts:
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        return TemporaryCredentials.read(*(texts.get(f"{_CREDENTIALS}/{n}") for n in names))
    code = texts.get("ErrorResponse/Error/Code", "")
    if answer.status != 200 and (code or answer.status == 429 or answer.status >= 500):
        raise refusal(
            "AWS STS",
            answer.status,
            code or f"HTTP {answer.status}",
            texts.get("ErrorResponse/Error/Message", ""),
            clauses=STS,
            look_closer=_look_closer(svid),
        )
    raise UnexpectedAnswer(
        f"AWS STS answered with HTTP {answer.status}, and not in the words of its API",
        hint="is the endpoint STS? A proxy on the way may have answered in its place",
    )


def _look_closer(svid: UnverifiedJwtSvid) -> str:
    audience = svid.audience[0]
    command = f"spire-bridge trust evaluate --audience {audience} --aws role.json"
    return f"{command} (the token is of {svid.spiffe_id}, by {svid.issuer or 'no issuer'})"
